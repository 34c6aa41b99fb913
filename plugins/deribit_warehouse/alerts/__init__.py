"""Messages about what went wrong in a run, sent once on every channel that has a connection.

- a DAG: `on_failure_callback=notify_failure`
- a mapped load: `on_failure_callback=partial(on_task_failure, record=...)`
- a gate: `notify_quarantine(collect(context))`, after its transaction committed
- a task that waits for long: `notify_waiting(context, ...)`
"""

from deribit_warehouse.alerts.callbacks import (
    collect,
    notify_failure,
    notify_quarantine,
    notify_waiting,
    on_task_failure,
)
from deribit_warehouse.alerts.channels import send
from deribit_warehouse.alerts.messages import FailedTask, Message, QuarantinedKey, RunReport, Wait, render

__all__ = [
    "FailedTask",
    "Message",
    "QuarantinedKey",
    "RunReport",
    "Wait",
    "collect",
    "notify_failure",
    "notify_quarantine",
    "notify_waiting",
    "on_task_failure",
    "render",
    "send",
]
