package configs

// ForgetMachine resets the keys about the machine: threads, loader workers and batches loaded ahead. A file
// of weights may come from another machine or from anybody, and must not decide what runs here.
func (c *Config) ForgetMachine() {
	d := Default()
	c.Threads, c.Data.Workers, c.Data.Prefetch = d.Threads, d.Data.Workers, d.Data.Prefetch
}
