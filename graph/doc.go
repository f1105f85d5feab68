// Package graph builds backbones from layers, and runs them as Gorgonia graphs: build,
// differentiate, check, plan the memory, run.
//
// A [Model] holds the parameters. [Runner.Program] compiles it for a batch size and a resolution,
// for training or for evaluation. All programs share the parameters, and the memory of a [Runner].
package graph
