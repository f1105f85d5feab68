package vit

import "fasternet/graph"

func init() { graph.Register(Family()) }
