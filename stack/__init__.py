"""Starts, watches and stops the warehouse on one machine: Postgres, Airflow and, for the demo, the exchange simulator.

    python -m stack demo | up [--from YYYY-MM-DD]     start everything, run the history, print what is stored
    python -m stack check                             whether the exchange is as it is taken to be
    python -m stack status | down
    python -m stack report [--output FILE]            the completion report, computed from the database
    python -m stack airflow | postgres ...            Airflow's or Postgres' own programs on a stack
    python -m stack secrets | prepare | service NAME  the steps of the above, one by one, for docker-compose.yaml

`demo` and `up` differ by their connections, their state folder (and so their database) and by the simulator being among
the services; tests/stack/test_environment.py holds them to that.
"""


class StackError(Exception):
    """What is expected to go wrong on somebody's machine. The message is the whole answer: what, where, what to do."""
