# `make demo` runs everything against the exchange simulator, `make up` against the live exchange. All they need is
# Python 3.11 to 3.13: stack/run installs the hashed lock into $WAREHOUSE_HOME (default .warehouse) before it runs a command.
.PHONY: help demo up check down status report acknowledge test tests rehearsal recorded lint lock bench bench-history bench-live soak
.DEFAULT_GOAL := help

# Whatever a variable holds, nobody runs it: make would expand what was given on its command line (make demo
# 'FROM=$(shell …)') on the way into the environment, so each is first set to its own letters. Recipes don't write values
# into a shell's line either.
literal := $(foreach each,$(.VARIABLES),$(if $(findstring command line,$(origin $(each))),\
	$(eval override $(each) := $$(value $(each)))$(eval export $(each))))
RUN := sh stack/run runtime
DEV := sh stack/run dev
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade

help:
	@echo 'make demo [FROM=YYYY-MM-DD]  everything on this machine, against the exchange simulator'
	@echo 'make up   [FROM=YYYY-MM-DD]  the same against the live exchange, history from 2018-08'
	@echo 'make check                   asks the live exchange whether it is as it is taken to be; needs nothing running'
	@echo 'make status                  what runs, and where its pages are'
	@echo 'make report [ARGS="--output FILE"]  what is complete and what is not, from the database, as Markdown'
	@echo 'make acknowledge [ARGS="17 --note …"]  what is wrong now, numbered; no more is told of number 17 until it is over'
	@echo 'make down                    stops everything'
	@echo 'make bench | bench-history   what is claimed, measured; the whole history through the scheduler'
	@echo 'make bench-live [ARGS="--minutes 30"]  how soon minutes are published, beside the whole history; what a day costs'
	@echo 'make soak [PHASES=kills,...] [MINUTES=30]  live minutes through failures, kills, an outage and a full disk'
	@echo 'make rehearsal [REHEARSE=demo,stack,YYYY-MM,slow,history,soak,long]  the tests that take minutes or whole stacks: a demo'
	@echo '                             as its user has it, in a browser; the first contact, with an exchange shaped like the real'
	@echo '                             one: make up itself, value by value; five minutes of the soak; by name alone months of the'
	@echo '                             past, all of the history, and tests that take longer still'
	@echo 'make recorded ARGS=FOLDER    how many rows of recorded data break each rule'
	@echo 'make test | lint | lock      every other test; the static checks alone; the lock files anew'

demo up check:
	@$(RUN) python -m stack $@

down status:
	@sh stack/run none python -m stack $@

report acknowledge:
	@sh stack/run none python -m stack $@ ARGS

# The static checks beside the tests, which leave some of two cores to them.
test:
	@$(DEV) python -c ''
	@$(MAKE) --no-print-directory --jobs 2 lint tests

# A file is what a worker takes: its tests share a database and a simulator. The files with long tests come first. ARGS="-n 0"
# runs everything in one process.
tests:
	@$(DEV) python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder ARGS

# Three at once, of which one mostly waits (tests/integration/conftest.py).
rehearsal:
	@: "$${REHEARSE:=all}"; export REHEARSE; \
		$(DEV) python -m pytest --verbose --numprocesses 3 --dist loadfile --no-loadscope-reorder -m rehearsal tests/integration ARGS

recorded:
	@$(DEV) python -m bench.recorded ARGS

lint:
	@$(DEV) ruff check .
	@$(DEV) ruff format --check .
	@$(DEV) lint-imports
	@$(DEV) mypy
	@$(DEV) check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml

bench:
	@sh stack/run bench python -m bench ARGS

bench-history:
	@$(DEV) python -m bench.whole_history ARGS

bench-live:
	@$(DEV) python -m bench.live ARGS

soak:
	@$(DEV) python -m bench.soak ARGS

# Resolved for the oldest Python that is promised and for every platform at once, with the hash of every file.
lock:
	@$(RUN) $(COMPILE) stack/requirements-bootstrap.in -o stack/requirements-bootstrap.txt
	@$(RUN) $(COMPILE) requirements.in -o requirements.txt
	@$(RUN) $(COMPILE) requirements-dev.in -o requirements-dev.txt
	@$(RUN) $(COMPILE) --no-deps bench/requirements.in -o bench/requirements.txt
