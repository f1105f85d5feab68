package configs_test

import (
	_ "fasternet/data/sets" // tests of this package check names as a program does
)
