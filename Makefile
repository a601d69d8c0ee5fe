# Forwards to the one binary, `watertight`; nothing is decided here.
#
#   make security TARGET=fixtures/targets/sit.toml    a deployment instead of the embedded targets
#   make security TARGET=access                       one of the embedded targets
#   make load PROFILE=peak DURATION=30s               another load profile, and another time than its own
#   make load PROFILE=all DURATION=30s                every profile, one after the other
#   make security ACCEPTED=accepted.toml              findings that are known do not fail it
#   make integration REPEAT=20                        so many times, in shuffled orders
#   make security FULL=1                              also what takes long: oracles by time
#   make mutants FULL=1                               every check against every weakness
#   make mutants GENERAL=1                            by nothing but what was written with no weakness in mind
#   make mutants BY_URL=1                             by the security suite, which has only a URL and no store
#
# make turns every failure into its own exit code 2; a pipeline that tells findings (1) from trouble (2)
# calls the binary.

CARGO ?= cargo
BUILT = $(or $(CARGO_TARGET_DIR),target)
WATERTIGHT = $(BUILT)/debug/watertight

target = $(if $(TARGET),--target '$(TARGET)')
accepted = $(if $(ACCEPTED),--accepted '$(ACCEPTED)')
profile = $(if $(PROFILE),--profile '$(PROFILE)')
duration = $(if $(DURATION),--duration '$(DURATION)')
rate = $(if $(RATE),--rate '$(RATE)')
baseline = $(if $(BASELINE),--baseline '$(BASELINE)')$(if $(SAVE_BASELINE), --save-baseline '$(SAVE_BASELINE)')
full = $(if $(FULL),--full)$(if $(IDLE),--idle)$(if $(GENERAL),--general)$(if $(BY_URL),--by-url)$(if $(ONLY), --only '$(ONLY)')
budget = $(if $(MAX_REQUESTS),--max-requests '$(MAX_REQUESTS)') $(if $(RATE),--rate '$(RATE)')
repeat = $(if $(REPEAT),--repeat '$(REPEAT)')

.DEFAULT_GOAL := help
.PHONY: help build demo security load mutants sweep report bench check-target third-party test integration lint

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

# Always the whole workspace: cargo unites the features of what it builds together, and another selection
# would compile most dependencies once more.
build: ## build the command and the tests it runs
	@$(CARGO) build --workspace --bins --test integration

demo: build ## all suites (of security a slice) against the embedded targets, and a report to look at
	@$(WATERTIGHT) demo $(target)

security: build ## the security suite; FULL=1 also times answers  [FULL=1 MAX_REQUESTS= RATE= TARGET= ACCEPTED=]
	@$(WATERTIGHT) security $(if $(FULL),--full) $(budget) $(target) $(accepted)

load: build ## a load run, judged by thresholds; PROFILE=all for every profile  [PROFILE= DURATION= RATE= BASELINE= SAVE_BASELINE= TARGET=]
	@$(WATERTIGHT) load --apart $(profile) $(duration) $(rate) $(baseline) $(target)

mutants: build ## the suites against every seeded weakness: the kill matrix  [FULL=1 IDLE=1 GENERAL=1 BY_URL=1 ONLY= TARGET=]
	@$(WATERTIGHT) mutants $(full) $(target)

sweep: build ## remove whatever an interrupted run left behind  [TARGET=]
	@$(WATERTIGHT) sweep $(target)

report: build ## write the newest run's reports again
	@$(WATERTIGHT) report

bench: build ## speed of the harness, the load generator and the integration suite, built for release
	@$(CARGO) build --release --workspace --bins
	@$(BUILT)/release/watertight bench

check-target: build ## what of a target would be tested, and what not; REHEARSE=1 calls everything once  [TARGET=]
	@$(WATERTIGHT) check-target $(if $(REHEARSE),--rehearse )$(target)

third-party: build ## systems nobody here wrote, in versions with published holes and without (needs Node)  [ONLY=]
	@$(WATERTIGHT) third-party$(if $(ONLY), --only '$(ONLY)')

test: ## every test of the workspace
	@$(CARGO) test --workspace --no-fail-fast

integration: build ## the integration suite; REPEAT=20 shuffles its order each time  [REPEAT= TARGET=]
	@$(WATERTIGHT) integration $(repeat) $(target)

lint: ## format and lints, as CI demands them
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets -- -D warnings
