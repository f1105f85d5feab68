package fasternet

import "fasternet/graph"

func init() { graph.Register(Family()) }
