"""What went wrong, reported once when it begins and once when it is over, on every channel that has a connection.

- a DAG: `on_failure_callback=notify_failure`
- every task: `on_success_callback` and `on_skipped_callback` are `partial(on_task_well, asks=...)`
- a mapped load: `on_failure_callback=partial(on_task_failure, record=...)`
- a gate: `notify_quarantine(collect(context))`, after its transaction committed
- what is learned once and for all: `notify_news(report)`
- a task that waits for long: `notify_waiting(context, ...)`
- anything else that is looked at from time to time: `warehouse.incidents.observe` and `recover` of the kind "watch",
  then, after the commit, `send_due_messages(connection, base_url)`
"""

from deribit_warehouse.alerts.callbacks import (
    collect,
    notify_failure,
    notify_news,
    notify_quarantine,
    notify_waiting,
    on_task_failure,
    on_task_well,
)
from deribit_warehouse.alerts.channels import send
from deribit_warehouse.alerts.incidents import send_due_messages
from deribit_warehouse.alerts.messages import FailedTask, Message, QuarantinedKey, RunReport, Wait, render

__all__ = [
    "FailedTask",
    "Message",
    "QuarantinedKey",
    "RunReport",
    "Wait",
    "collect",
    "notify_failure",
    "notify_news",
    "notify_quarantine",
    "notify_waiting",
    "on_task_failure",
    "on_task_well",
    "render",
    "send",
    "send_due_messages",
]
