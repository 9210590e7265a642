// Package workloads puts Trivet's services on a cluster. It sees a
// [platform.Platform] and the stack's table of services, and never which cloud
// has made the cluster.
//
// [Deploy] makes, in this order: the namespace with its limits and with no
// traffic allowed; the authority of the pods' certificates; two jobs that make
// the database's roles and bring its schema up to date; and the services, which
// start once both have succeeded.
package workloads
