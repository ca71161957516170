"""What happens around a request: functions that take a handler and return one."""
