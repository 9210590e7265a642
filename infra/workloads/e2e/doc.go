// Package e2e runs the workloads on a real cluster, the one that KUBECONFIG
// names, with PostgreSQL, Redis and RabbitMQ on this machine beside it:
//
//	go test -tags e2e ./infra/workloads/e2e
//
// The manifests are those that the engine would apply, in its order.
package e2e
