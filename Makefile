# Two commands matter: `make run` and `make test`. Arguments of `brimline run` go in ARGS, another Python in PYTHON,
# chosen suites in SUITES; STRICT=1 turns whatever is skipped into a failure.
VENV := .venv
export PYTHON

.PHONY: run test demo bench fuzz golden lock

run:
	@tools/install-packages run
	@tools/make-venv requirements.txt requirements-build.txt
	@exec $(VENV)/bin/brimline run $(ARGS)

test:
	@tools/install-packages run test
	@tools/make-venv requirements-test.txt
	@exec $(VENV)/bin/python tests/suites.py $(if $(STRICT),--strict) $(SUITES)

demo:
	@tools/make-env
	@if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi; \
	$$compose --profile demo up --detach --build
	@echo "Brimline: http://127.0.0.1:12746  Grafana: http://127.0.0.1:3000 (admin, its password is in .env)"

bench:
	@tools/install-packages run test bench
	@tools/make-venv requirements-test.txt
	@for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(VENV)/bin/python $$bench $(ARGS) || exit; done

fuzz:
	@tools/make-venv requirements-test.txt
	@exec $(VENV)/bin/python tests/fuzz/endure.py $(ARGS)

golden:
	@tools/make-venv requirements-test.txt
	@exec $(VENV)/bin/python -m pytest tests/golden tests/unit/test_docs_*.py --regenerate-goldens $(ARGS)
	@git --no-pager diff --stat -- tests docs

lock:
	@tools/lock
