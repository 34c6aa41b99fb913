"""Delivers a message through Airflow's provider notifiers. A channel is on when its connection exists.

    deribit_alerts_smtp     type smtp; extra: to (one address or a list), from_email
    deribit_alerts_slack    type slackwebhook; password: the incoming webhook's token or whole address
    deribit_alerts_webhook  type http; host: the whole address, path included; extra: headers; receives JSON by POST

Every channel is tried whatever becomes of the others, all at the same time and for a few seconds only: DAG callbacks
run in the DAG processor, which kills a file's callbacks after [dag_processor] dag_file_processor_timeout (50 s).
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from deribit_warehouse.alerts.messages import Message, slack_escape

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds all channels together may take."""


def send(message: Message) -> list[str] | None:
    """Deliver to every configured channel; returns the connection ids of those that took the message, None where no
    channel is configured.

    Never raises: a channel that fails is logged as an error with its name, and with none configured the message itself
    is logged as a warning.
    """
    deliveries: dict[str, Future] = {}
    for conn_id, notifier in CHANNELS.items():
        try:
            connection = _connection(conn_id)
            if connection is None:
                continue
            deliveries[conn_id] = in_background(partial(notifier(message, connection), {}))
        except Exception as error:
            deliveries[conn_id] = Future()
            deliveries[conn_id].set_exception(error)
    if not deliveries:
        log.warning("No alert channel is configured (%s); the alert is:\n%s", ", ".join(CHANNELS), message.text)
        return None
    deadline = time.monotonic() + TIMEOUT
    delivered = []
    for conn_id, delivery in deliveries.items():
        try:
            answer(delivery, deadline - time.monotonic())
        except Exception as error:
            log.error("Alert channel %s failed, %r not delivered there: %s", conn_id, message.subject, describe(error))
        else:
            delivered.append(conn_id)
            log.info("Alert channel %s took %r", conn_id, message.subject)
    if not delivered:
        log.warning("No alert channel took the alert:\n%s", message.text)
    return delivered


def in_background(work: Callable[[], Any]) -> Future:
    """Start `work` in a daemon thread, so that no stuck server can outlive the patience of who waits for it.

    A SIGALRM would be simpler, but would disarm the one that enforces a task's execution_timeout.
    """
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def answer(future: Future, seconds: float) -> Any:
    """What `future` comes to, waiting `seconds` at most. Raises what its work raised, or TimeoutError."""
    try:
        return future.result(timeout=max(0.0, seconds))
    except TimeoutError:
        if future.done():
            raise
        raise TimeoutError("no answer in time") from None


def describe(error: BaseException) -> str:
    """An error's kind and text, with every secret Airflow knows masked."""
    from airflow.sdk.log import redact

    return str(redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__))


def _connection(conn_id: str) -> Any | None:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException
    from airflow.sdk.log import mask_secret

    try:
        connection = Connection.get(conn_id)
    except AirflowNotFoundException:
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        if variable in os.environ:  # Airflow says "not found" of an unreadable one as well
            raise ValueError(f"{variable} is set, but isn't a connection Airflow can read") from None
        return None
    # Airflow masks password and extra. A webhook's address is a secret too, whoever knows it may post, and the hooks'
    # errors quote its path.
    for field in (connection.host, connection.password):
        address = urlsplit(field or "")
        if address.scheme:
            for part in filter(None, (address.path.strip("/"), address.query)):
                mask_secret(part)
    return connection


def _literal(value: Any) -> Any:
    """A field as it is: notifiers render theirs as Jinja templates, and an error text can hold one."""
    from airflow.sdk import literal

    return literal(value)


def _smtp(message: Message, connection: Any) -> Any:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    extra = connection.extra_dejson
    if not extra.get("to") or not extra.get("from_email"):
        raise ValueError(f"connection {connection.conn_id} needs `to` and `from_email` in its extra")
    return SmtpNotifier(
        smtp_conn_id=connection.conn_id,
        from_email=_literal(extra["from_email"]),
        to=_literal(extra["to"]),
        subject=_literal(message.subject),
        html_content=_literal(message.html),
    )


def _slack(message: Message, connection: Any) -> Any:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    return SlackWebhookNotifier(
        slack_webhook_conn_id=connection.conn_id,
        text=_literal(slack_escape(message.subject)),
        blocks=_literal(message.blocks),
        unfurl_links=False,
    )


def _webhook(message: Message, connection: Any) -> Any:
    from airflow.providers.http.notifications.http import HttpNotifier

    if not connection.host:
        raise ValueError(f"connection {connection.conn_id} needs the webhook's whole address as its host")
    # Without a timeout the hook waits for ever.
    timeout = connection.extra_dejson.get("timeout", TIMEOUT)
    return HttpNotifier(
        http_conn_id=connection.conn_id, json=_literal(message.payload), extra_options={"timeout": timeout}
    )


CHANNELS: dict[str, Callable[[Message, Any], Any]] = {
    "deribit_alerts_smtp": _smtp,
    "deribit_alerts_slack": _slack,
    "deribit_alerts_webhook": _webhook,
}
