package main

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
)

// memory draws the memory plan of a training step of the quickstart's network: each buffer at its
// address, from the op that writes it first to the op that reads it last.
func memory() (string, error) {
	const batch = 64
	c, err := configs.Load("quickstart")
	if err != nil {
		return "", err
	}
	net, err := model.New(c, 10)
	if err != nil {
		return "", err
	}
	pool := kernels.NewPool(1)
	defer pool.Close()
	r, err := model.NewRunner(c, net, pool)
	if err != nil {
		return "", err
	}
	p, err := r.Program(graph.Shape{Batch: batch, Height: c.Data.ImageSize, Width: c.Data.ImageSize, Train: true})
	if err != nil {
		return "", err
	}
	d := &drawing{width: 980, height: 440}
	const left, top, w, h = 70, 50, 880, 330
	ops, bytes := float64(p.Ops()), float64(p.ArenaBytes())
	sum := 0
	fills := []string{"#60a5fa", "#34d399", "#fbbf24", "#f87171", "#a78bfa", "#f472b6", "#2dd4bf", "#a3a3a3"}
	for i, b := range p.Layout() {
		sum += b.Bytes
		x := left + w*float64(b.First)/ops
		end := left + w*min(float64(b.Last)+1, ops)/ops
		height := h * float64(b.Bytes) / bytes
		d.bar(x, top+h-h*float64(b.Offset)/bytes-height, end-x, max(height-0.3, 0.2), fills[i%len(fills)])
	}
	d.line(left, top, left, top+h, ink, "")
	d.line(left, top+h, left+w, top+h, ink, "")
	mib := func(v float64) string { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }
	d.text(left-6, top+8, "end", ink, mib(bytes))
	d.text(left-6, top+h, "end", ink, "0")
	d.text(left, top+h+20, "start", ink, "first op (forward)")
	d.text(left+w, top+h+20, "end", ink, fmt.Sprintf("last of %d ops (backward)", p.Ops()))
	title := "Memory of a training step of the quickstart's network, batch %d: " +
		"%s in all, where the buffers one by one would take %s"
	d.text(left, 28, "start", ink, fmt.Sprintf(title, batch, mib(bytes), mib(float64(sum))))
	d.text(left, top+h+46, "start", faint, "Each bar is a buffer: "+
		"its height is its size, its length the time for which it is needed. "+
		"Buffers that are never needed at the same time share memory.")
	return d.svg("The memory plan of a training step"), nil
}
