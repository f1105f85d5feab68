// Package families lists the families of models: a program that imports it can read
// configurations of all of them, and make the models.
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
