// Lockcached is a lock server that speaks memcached's protocol.
package main

import (
	"os"

	"github.com/lockcached/lockcached/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
}
