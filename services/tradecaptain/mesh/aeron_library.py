"""The Aeron C library: where it is found, what is declared of it, and the check that both agree.

The wheel brings the whole C API without headers, so the declarations below are written by hand from
Aeron's public interface and checked against the version and symbols of the library that is loaded.
"""

from __future__ import annotations

import importlib.util
import os
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from cffi import FFI
from tradecaptain.mesh.errors import LibraryError

LIBRARY_VARIABLE: Final = "TRADECAPTAIN_AERON_LIBRARY"
"""Environment variable that names another build of the library."""
SUPPORTED_VERSION: Final = (1, 53)

_CLIENT_DECLARATIONS: Final = """
typedef void (*aeron_error_handler_t)(void *clientd, int errcode, const char *message);
typedef void (*aeron_notification_t)(void *clientd);
typedef void (*aeron_log_func_t)(const char *message);

typedef struct aeron_publication_constants_stct
{
    const char *channel;
    int64_t original_registration_id;
    int64_t registration_id;
    int64_t max_possible_position;
    size_t position_bits_to_shift;
    size_t term_buffer_length;
    size_t max_message_length;
    size_t max_payload_length;
    int32_t stream_id;
    int32_t session_id;
    int32_t initial_term_id;
    int32_t publication_limit_counter_id;
    int32_t channel_status_indicator_id;
} aeron_publication_constants_t;

typedef struct aeron_image_constants_stct
{
    void *subscription;
    const char *source_identity;
    int64_t correlation_id;
    int64_t join_position;
    size_t position_bits_to_shift;
    size_t term_buffer_length;
    size_t mtu_length;
    int32_t session_id;
    int32_t initial_term_id;
    int32_t subscriber_position_id;
} aeron_image_constants_t;

typedef struct aeron_buffer_claim_stct
{
    uint8_t *frame_header;
    uint8_t *data;
    size_t length;
} aeron_buffer_claim_t;

int aeron_version_major(void);
int aeron_version_minor(void);
const char *aeron_version_full(void);
int aeron_errcode(void);
const char *aeron_errmsg(void);
bool aeron_is_driver_active(const char *dirname, int64_t timeout_ms, aeron_log_func_t log_func);

int aeron_context_init(void **context);
int aeron_context_close(void *context);
int aeron_context_set_dir(void *context, const char *value);
int aeron_context_set_driver_timeout_ms(void *context, uint64_t value);
int aeron_context_set_keepalive_interval_ns(void *context, uint64_t value);
int aeron_context_set_resource_linger_duration_ns(void *context, uint64_t value);
int aeron_context_set_idle_sleep_duration_ns(void *context, uint64_t value);
int aeron_context_set_client_name(void *context, const char *value);
int aeron_context_set_error_handler(void *context, aeron_error_handler_t handler, void *clientd);
int aeron_context_set_use_conductor_agent_invoker(void *context, bool value);

int aeron_init(void **client, void *context);
int aeron_start(void *client);
int aeron_main_do_work(void *client);
int aeron_close(void *client);
bool aeron_is_closed(void *client);
int64_t aeron_client_id(void *client);

int aeron_async_add_publication(void **async, void *client, const char *uri, int32_t stream_id);
int aeron_async_add_publication_poll(void **publication, void *async);
int aeron_publication_constants(void *publication, aeron_publication_constants_t *constants);
int64_t aeron_publication_offer(void *publication, const uint8_t *buffer, size_t length,
    void *reserved_value_supplier, void *clientd);
int64_t aeron_publication_try_claim(
    void *publication, size_t length, aeron_buffer_claim_t *claim);
int64_t aeron_publication_position(void *publication);
bool aeron_publication_is_connected(void *publication);
bool aeron_publication_is_closed(void *publication);
int aeron_publication_close(void *publication, aeron_notification_t on_close, void *clientd);

int aeron_async_add_exclusive_publication(
    void **async, void *client, const char *uri, int32_t stream_id);
int aeron_async_add_exclusive_publication_poll(void **publication, void *async);
int aeron_exclusive_publication_constants(
    void *publication, aeron_publication_constants_t *constants);
int64_t aeron_exclusive_publication_position(void *publication);
int64_t aeron_exclusive_publication_offer(void *publication, const uint8_t *buffer, size_t length,
    void *reserved_value_supplier, void *clientd);
int64_t aeron_exclusive_publication_try_claim(
    void *publication, size_t length, aeron_buffer_claim_t *claim);
int aeron_buffer_claim_commit(aeron_buffer_claim_t *claim);
int aeron_buffer_claim_abort(aeron_buffer_claim_t *claim);
bool aeron_exclusive_publication_is_connected(void *publication);
bool aeron_exclusive_publication_is_closed(void *publication);
int aeron_exclusive_publication_close(
    void *publication, aeron_notification_t on_close, void *clientd);

int aeron_async_add_subscription(void **async, void *client, const char *uri, int32_t stream_id,
    void *on_available_image, void *available_clientd,
    void *on_unavailable_image, void *unavailable_clientd);
int aeron_async_add_subscription_poll(void **subscription, void *async);
int aeron_subscription_image_count(void *subscription);
void *aeron_subscription_image_at_index(void *subscription, size_t index);
int aeron_subscription_image_release(void *subscription, void *image);
bool aeron_subscription_is_closed(void *subscription);
int aeron_subscription_close(void *subscription, aeron_notification_t on_close, void *clientd);
int aeron_subscription_try_resolve_channel_endpoint_port(
    void *subscription, char *uri, size_t uri_length);
int aeron_image_constants(void *image, aeron_image_constants_t *constants);
int64_t aeron_image_position(void *image);
bool aeron_image_is_closed(void *image);
int aeron_image_poll(void *image, void *handler, void *clientd, size_t fragment_limit);
"""

_DRIVER_DECLARATIONS: Final = """
int aeron_driver_context_init(void **context);
int aeron_driver_context_close(void *context);
int aeron_driver_context_set_dir(void *context, const char *value);
int aeron_driver_context_set_dir_delete_on_start(void *context, bool value);
int aeron_driver_context_set_dir_delete_on_shutdown(void *context, bool value);
int aeron_driver_context_set_threading_mode(void *context, int mode);
int aeron_driver_context_set_shared_idle_strategy(void *context, const char *value);
int aeron_driver_context_set_term_buffer_sparse_file(void *context, bool value);
int aeron_driver_context_set_perform_storage_checks(void *context, bool value);
int aeron_driver_context_set_ipc_mtu_length(void *context, size_t value);
int aeron_driver_context_set_driver_timeout_ms(void *context, uint64_t value);
int aeron_driver_context_set_client_liveness_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_image_liveness_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_publication_unblock_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_publication_connection_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_publication_linger_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_untethered_window_limit_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_untethered_linger_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_untethered_resting_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_counters_free_to_reuse_timeout_ns(void *context, uint64_t value);
int aeron_driver_context_set_timer_interval_ns(void *context, uint64_t value);
int aeron_driver_init(void **driver, void *context);
int aeron_driver_start(void *driver, bool manual_main_loop);
int aeron_driver_main_do_work(void *driver);
void aeron_driver_main_idle_strategy(void *driver, int work_count);
int aeron_driver_close(void *driver);
"""


class AeronLibrary:
    """The loaded library with its declared functions; use :func:`aeron_library` to get it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ffi: Any = FFI()
        self.ffi.cdef(_CLIENT_DECLARATIONS + _DRIVER_DECLARATIONS)
        try:
            self.functions: Any = self.ffi.dlopen(str(path))
        except OSError as error:
            raise LibraryError(f"cannot load the Aeron library {path}: {error}") from error
        self._check()

    def _check(self) -> None:
        declared = re.findall(r"\b(aeron_\w+)\(", _CLIENT_DECLARATIONS + _DRIVER_DECLARATIONS)
        missing = [name for name in declared if not hasattr(self.functions, name)]
        if missing:
            raise LibraryError(f"{self.path} lacks {', '.join(missing)}")
        version = (self.functions.aeron_version_major(), self.functions.aeron_version_minor())
        if version != SUPPORTED_VERSION:
            raise LibraryError(
                f"{self.path} is Aeron {version[0]}.{version[1]}, "
                f"but {SUPPORTED_VERSION[0]}.{SUPPORTED_VERSION[1]} is needed"
            )

    def text(self, pointer: Any) -> str:
        """Text of a C string."""
        return bytes(self.ffi.string(pointer)).decode("utf-8", "replace")

    def error_message(self) -> str:
        """Aeron's own words about the last failure on this thread, on one line."""
        lines = self.text(self.functions.aeron_errmsg()).split("\n")
        return "; ".join(line.strip() for line in lines if line.strip())

    def symbol_address(self, name: str) -> int:
        """Address of a function of the library, for compiled code that is handed pointers."""
        function = getattr(self.functions, name)
        return int(self.ffi.cast("intptr_t", function))


def _wheel_library() -> Path:
    found = importlib.util.find_spec("pyaeron")
    if found is None or not found.submodule_search_locations:
        raise LibraryError(
            f"the pyaeron wheel is not installed and {LIBRARY_VARIABLE} names no library"
        )
    folder = Path(next(iter(found.submodule_search_locations)))
    candidates = sorted(folder.glob("_pyaeron*.so"))
    if not candidates:
        raise LibraryError(f"the pyaeron wheel in {folder} holds no Aeron library")
    return candidates[0]


def library_path() -> Path:
    """The configured library, else the wheel's."""
    configured = os.environ.get(LIBRARY_VARIABLE, "")
    return Path(configured) if configured else _wheel_library()


@cache
def aeron_library() -> AeronLibrary:
    """Load the library once for this process and check it; :class:`LibraryError` if it is unfit."""
    return AeronLibrary(library_path())
