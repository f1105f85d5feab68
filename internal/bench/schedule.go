package bench

// schedule returns how long a region takes on some workers if nothing else takes time. Like in
// [kernels.Pool.Run], each worker begins with its own range of the tasks, and then takes the last
// tasks of the others.
func schedule(tasks []float64, workers int) float64 {
	if workers < 2 || len(tasks) < 2 {
		return sumOf(tasks)
	}
	type worker struct {
		free     float64
		from, to int // tasks of its range that have not begun
	}
	n := len(tasks)
	all := make([]worker, workers)
	for w := range all {
		all[w].from, all[w].to = w*n/workers, (w+1)*n/workers
	}
	end := 0.0
	for range n {
		next := 0 // the first worker that becomes free
		for w := range all {
			if all[w].free < all[next].free {
				next = w
			}
		}
		w := &all[next]
		task := -1
		if w.from < w.to {
			task = w.from
			w.from++
		}
		for i := 0; task < 0; i++ {
			if o := &all[(next+i)%workers]; o.from < o.to {
				o.to--
				task = o.to
			}
		}
		w.free += tasks[task]
		end = max(end, w.free)
	}
	return end
}
