// Command fasternet-train trains, resumes and evaluates vision backbones.
package main

import "fasternet/cli"

func main() { cli.Main() }
