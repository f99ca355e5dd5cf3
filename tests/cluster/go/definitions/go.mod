// Definitions of other projects' kinds, which the chart's objects are tried against.
module zohorelay.dev/tests/cluster/definitions

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
