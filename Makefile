# The jobs of this repository. `make demo` and `make test` set up what is missing first.
.DELETE_ON_ERROR:
.PHONY: help setup build demo test bench fmt clean r-package
CARGO ?= cargo
# rustup's folder, for shells that were open before Rust was installed.
CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(CARGO_HOME)/bin:$(HOME)/.cargo/bin:$(PATH)

help:
	@echo "make demo   simulate a tissue, deconvolve it, compare with the truth, draw it (into demo/)"
	@echo "make test   every check of this repository"
	@echo "make build  the command line (target/release/cyto) and the C library"
	@echo "make bench  speed and memory against the reference tools"
	@echo "make r-package  the R package as one archive that installs without a network (target/r-package/)"
	@echo "make fmt    format the sources"
	@echo "make clean  delete what was built"

setup:
	@sh tests/setup.sh build

build: setup
	$(CARGO) build --release --locked --workspace

demo: setup
	$(CARGO) build --release --locked --workspace
	target/release/cyto demo --out demo

test:
	@sh tests/setup.sh test
	@sh tests/all.sh

bench: setup
	$(CARGO) bench --locked -p cytosol
	@if [ -f tests/bench/README.md ]; then echo "whole jobs against the reference tools: see tests/bench/README.md"; fi

# The crates that it is built from go with it; see bindings/r/tools/vendor.sh.
r-package:
	mkdir -p target/r-package
	sh bindings/r/tools/vendor.sh $(CURDIR)/target/r-package/crates
	cd target/r-package && R CMD build --no-build-vignettes $(CURDIR)/bindings/r

fmt:
	$(CARGO) fmt --all

clean:
	rm -rf target demo
