package configs

// ForgetMachine resets what a configuration says about the machine that it was made for:
// threads, loader workers, and batches that are loaded ahead. A file with weights may come
// from another machine, or from anybody; what it runs on here is not for it to say.
func (c *Config) ForgetMachine() {
	d := Default()
	c.Threads, c.Data.Workers, c.Data.Prefetch = d.Threads, d.Data.Workers, d.Data.Prefetch
}
