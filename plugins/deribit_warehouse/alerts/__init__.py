"""What went wrong in a run, told once, on every channel that has a connection.

- a DAG: `on_failure_callback=tell_failure`
- a mapped load: `on_failure_callback=partial(on_task_failure, record=...)`
- a gate: `tell_quarantine(collect(context))`, after its transaction committed
- a task that waits for long: `tell_waiting(context, ...)`
"""

from deribit_warehouse.alerts.callbacks import collect, on_task_failure, tell_failure, tell_quarantine, tell_waiting
from deribit_warehouse.alerts.channels import send
from deribit_warehouse.alerts.report import Failure, Message, QuarantinedKey, RunReport, Wait, render

__all__ = [
    "Failure",
    "Message",
    "QuarantinedKey",
    "RunReport",
    "Wait",
    "collect",
    "on_task_failure",
    "render",
    "send",
    "tell_failure",
    "tell_quarantine",
    "tell_waiting",
]
