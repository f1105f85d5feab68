// Command convnet is fasternet-train with one more family of models and one more op.
package main

import (
	"fasternet/cli"
	"fasternet/export/onnxgraph"
	"fasternet/graph"
	_ "fasternet/graph/families" // also the families of fasternet-train
)

func init() {
	graph.Register(family())
	onnxgraph.Register(kind, onnxForm)
}

func main() { cli.Main() }
