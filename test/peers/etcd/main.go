// Command etcd is the real etcd server, built from its own module, so that the
// benchmark can run it beside Trivet. It takes etcd's own flags.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
