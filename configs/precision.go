package configs

// In is a copy of the configuration with another precision: fp32, bf16 or auto. It is for
// evaluations and comparisons that are in fp32 whatever a run trains in, and for an option that
// goes before the configuration.
func (c *Config) In(precision string) *Config {
	other := *c
	other.Precision = precision
	return &other
}
