package configs

// In returns a copy of the configuration with another precision: fp32, bf16 or auto. It is for evaluations
// that always use fp32, and for command-line options that override the configuration.
func (c *Config) In(precision string) *Config {
	other := *c
	other.Precision = precision
	return &other
}
