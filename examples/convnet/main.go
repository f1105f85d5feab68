// Command convnet is fasternet-train with a family of models and an op of its own.
package main

import (
	"fasternet/cli"
	"fasternet/export/onnxgraph"
	"fasternet/graph"
	_ "fasternet/graph/families" // the families of fasternet-train, too
)

func init() {
	graph.Register(family())
	onnxgraph.Register(kind, onnxForm)
}

func main() { cli.Main() }
