# Everything here needs Go 1.26.4 and nothing else; `make quickstart` gets its data
# itself.

GO ?= go
LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
SBOM = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
VULN = golang.org/x/vuln/cmd/govulncheck@v1.9.0
# What is hot when JPEG files are decoded, for the compiler: 4 to 8 % faster (docs/benchmarks.md).
# It is not called default.pgo, so that tests need not compile everything once more.
PGO = -pgo=cmd/fasternet-train/decode.pgo
FLAGS = $(PGO) -trimpath -ldflags "-s -w -X fasternet/cli.version=$(VERSION)"
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

export CGO_ENABLED = 0
export GO # for the scripts

.PHONY: build build-mpi check test test-examples test-onnx test-report report-image test-mpi test-arm64 count-arm64 test-deploy chaos soak fuzz race lint generate profile notices figures cross release quickstart mim-demo mim-demo-short data bench clean

build: ## the program, one static file
	$(GO) build $(FLAGS) -o fasternet-train ./cmd/fasternet-train

build-mpi: ## the program for several machines, which loads Open MPI or MPICH; Linux, linked with the C library
	$(GO) build $(FLAGS) -tags mpi -o fasternet-train ./cmd/fasternet-train

check: ## vet and short tests of what has changed, and of what imports it (less than a minute)
	scripts/check.sh

test: ## all tests; exports in ONNX Runtime, the report in Chromium, ranks under MPI and arm64 under qemu, where these are installed; builds for the other platforms
	$(GO) vet ./...
	$(GO) test -timeout 30m ./...
	$(MAKE) test-examples
	scripts/test-onnx.sh
	scripts/test-report.sh
	scripts/test-mpi.sh
	scripts/test-arm64.sh
	$(MAKE) cross

test-examples: ## the modules of examples, which import this one as any other module does
	cd examples/convnet && GOWORK=off $(GO) vet ./... && GOWORK=off $(GO) test -timeout 30m ./...

test-onnx: ## exports in ONNX Runtime, OpenVINO and onnx.checker; skips what is not installed (PYTHON=venv/bin/python)
	scripts/test-onnx.sh

test-report: ## the report in headless Chromium; skips without one
	scripts/test-report.sh

report-image: ## docs/images/report.png, from the report of the quickstart; needs Chromium
	scripts/test-report.sh -pages runs/quickstart/report.html -image docs/images/report.png

test-mpi: ## several ranks under Open MPI and MPICH (two minutes); skips without them
	scripts/test-mpi.sh

test-arm64: ## kernels, models and the program on arm64, under qemu (at most ten minutes); skips without it
	scripts/test-arm64.sh

count-arm64: ## how many instructions of a training step on arm64 are of plain Go, by function; needs qemu
	scripts/test-arm64.sh count

test-deploy: ## checks the manifests of deploy/kubernetes with the schemas that their operators publish (downloads 50 MB)
	cd deploy/validate && $(GO) vet . && $(GO) test -count 1 .

chaos: ## all that can happen to a run, tried and counted (at most 15 minutes)
	cd test/chaos && $(GO) test -count 1 -timeout 20m -chaos 14m # in its folder go test shows what it prints

SOAK ?= 10m

soak: ## nothing that a run holds may grow: FasterNet, ViT, Swin and LocalMIM, for SOAK (10m) together
	cd test/soak && $(GO) test -count 1 -timeout 0 -soak $(SOAK) # in its folder go test shows what it prints

fuzz: ## every fuzz target for FUZZTIME (10m each)
	scripts/fuzz.sh

race: ## all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 60m ./...

lint: ## formatting and static checks
	@test -z "$$(gofmt -l .)" || (gofmt -l . && exit 1)
	$(GO) run $(LINT) run
	cd kernels/gen && $(GO) vet .
	GO=$(GO) scripts/vulncheck.sh $(VULN)

generate: ## writes the assembly again, from kernels/gen
	$(GO) generate ./kernels

profile: ## measures cmd/fasternet-train/decode.pgo again
	$(GO) test -run '^$$' -bench ApplyJPEG -trimpath -benchtime 5s -cpu 1 -cpuprofile cmd/fasternet-train/decode.pgo -o dist/data.test ./data

cross: ## the program for the other platforms, into dist/
	@set -e; for p in linux/arm64 darwin/arm64 windows/amd64 windows/arm64; do $(call for-platform,dist/,); done

notices: ## THIRD-PARTY.md: the licences of all modules in the program
	scripts/notices.sh > dist-notices.tmp && mv dist-notices.tmp THIRD-PARTY.md || (rm -f dist-notices.tmp; exit 1)

figures: ## the pictures of the docs that are drawn from the program
	$(GO) run ./experiments/figures docs/images

release: ## the program for all platforms as `make build` makes it, with the licences, a list of what is in it (SBOM) and checksums, into dist/release/
	rm -rf dist/release
	@set -e; for p in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do $(call for-platform,dist/release/,$(FLAGS)); done
	cp LICENSE THIRD-PARTY.md dist/release/
	$(GO) run $(SBOM) bin -json -version "$(VERSION)" -output dist/release/fasternet-train.cdx.json dist/release/fasternet-train-linux-amd64
	cd dist/release && if command -v sha256sum >/dev/null; then sha256sum $(ASSETS); else shasum -a 256 $(ASSETS); fi > SHA256SUMS

ASSETS = fasternet-train-* fasternet-train.cdx.json LICENSE THIRD-PARTY.md

# $(call for-platform,FOLDER,FLAGS) builds the program for the platform in p: one file that needs no library but those of the system.
for-platform = os=$${p%/*}; arch=$${p\#*/}; out=$(1)fasternet-train-$$os-$$arch; [ $$os != windows ] || out=$$out.exe; \
	echo $$out; GOOS=$$os GOARCH=$$arch $(GO) build $(2) -o $$out ./cmd/fasternet-train

quickstart: build data ## train on Fashion-MNIST (2 minutes on two cores) and evaluate
	./fasternet-train train quickstart --resume
	./fasternet-train eval runs/quickstart/checkpoints/best.safetensors
	@echo "report: $(CURDIR)/runs/quickstart/report.html"

mim-demo: data ## does pre-training pay? LocalMIM on Fashion-MNIST, three seeds; FAMILY=fasternet for one family
	$(GO) run ./experiments/mimdemo $(if $(FAMILY),-only $(FAMILY))

mim-demo-short: data ## the same in five minutes, one seed
	$(GO) run ./experiments/mimdemo -short $(if $(FAMILY),-only $(FAMILY))

data: build ## Fashion-MNIST: from the system, from the network, or as a Debian package
	@./fasternet-train data fetch fashion-mnist || (echo "trying the Debian package" && scripts/install-fashion-mnist.sh)

bench: build ## the figures of docs/benchmarks.md that need no other program
	./fasternet-train bench fasternet_t0 --train --batch 32
	./fasternet-train bench fasternet_t0 --infer --batch 32
	./fasternet-train bench fasternet_t0 --infer --batch 1 --threads 1
	$(GO) test -run '^$$' -bench . -benchtime 0.3s ./kernels

clean:
	rm -rf fasternet-train dist
