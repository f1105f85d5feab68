package configs_test

import (
	_ "fasternet/data/sets" // so that these tests check names as a program does
)
