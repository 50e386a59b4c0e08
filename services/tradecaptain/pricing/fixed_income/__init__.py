"""Fixed income: calendars, schedules, bonds, curves and credit default swaps."""
