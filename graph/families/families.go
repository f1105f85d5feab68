// Package families lists the families of models. A program that imports it can read configurations
// of all families, and make their models.
package families

import (
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
)

func init() {
	graph.Register(fasternet.Family())
	graph.Register(vit.Family())
	graph.Register(swin.Family())
}
