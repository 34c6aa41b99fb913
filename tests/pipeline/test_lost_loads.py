"""A load whose row Airflow has lost: its trigger rules take the loads that are left for all of them."""

from types import SimpleNamespace

import pytest


def run(planned, there):
    """The context of a gate whose plan made ``planned`` batches (None: no plan is known), ``there`` loads of which are
    left."""
    ti = SimpleNamespace(
        dag_id="perpetuals_ohlcv", run_id="r",
        xcom_pull=lambda task_ids: planned and [{"label": "", "windows": []}] * planned,
        get_ti_count=lambda dag_id, task_ids, run_ids: there,
    )  # fmt: skip
    return {"ti": ti}


@pytest.mark.parametrize(("planned", "there"), [(3, 3), (1, 1), (0, 1), (None, 1), (3, 5)])
def test_nothing_is_lost(planned, there):
    from deribit_warehouse.pipeline.publish import require_all_loads

    require_all_loads(run(planned, there))


@pytest.mark.parametrize(("planned", "there", "said"), [(3, 2, "1 of the run's 3"), (None, 0, "1 of"), (4, 0, "4 of")])
def test_a_gate_judges_nothing_when_a_load_was_lost(planned, there, said):
    from airflow.sdk.exceptions import AirflowFailException

    from deribit_warehouse.pipeline.publish import require_all_loads

    with pytest.raises(AirflowFailException, match=said):
        require_all_loads(run(planned, there))
