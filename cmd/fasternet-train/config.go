package main

import (
	"fmt"
	"os"
	"strings"

	"fasternet/configs"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "List, show and check configurations",
		Example: `  fasternet-train config list
  fasternet-train config show fasternet_t0 --set train.epochs=100
  fasternet-train config check my.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var settings []string
	load := func(name string) (*configs.Config, error) {
		config, err := configs.Load(name, settings...)
		if err != nil {
			return nil, usageError{err}
		}
		return config, nil
	}
	list := &cobra.Command{
		Use: "list", Short: "List the presets", Example: "  fasternet-train config list", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, name := range configs.Presets() {
				text, err := configs.PresetText(name)
				if err != nil {
					return err
				}
				first, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
				fmt.Printf("%-14s %s\n", name, first)
			}
			return nil
		},
	}
	var source bool
	show := &cobra.Command{
		Use: "show CONFIG", Short: "Show a configuration with all its values", Args: cobra.ExactArgs(1),
		Example: "  fasternet-train config show quickstart\n  fasternet-train config show quickstart --source",
		RunE: func(_ *cobra.Command, args []string) error {
			if source {
				text, err := configs.PresetText(args[0])
				if err != nil {
					return usageError{err}
				}
				fmt.Print(text)
				return nil
			}
			config, err := load(args[0])
			if err != nil {
				return err
			}
			text, err := config.YAML()
			if err != nil {
				return err
			}
			_, err = os.Stdout.Write(text)
			return err
		},
	}
	show.Flags().BoolVar(&source, "source", false, "show a preset as it is written, with its comments")
	check := &cobra.Command{
		Use: "check CONFIG", Short: "Check a configuration", Example: "  fasternet-train config check my.yaml", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := load(args[0]); err != nil {
				return err
			}
			_, err := fmt.Printf("%s: no problem found\n", args[0])
			return err
		},
	}
	for _, sub := range []*cobra.Command{show, check} {
		sub.Flags().StringArrayVar(&settings, "set", nil, "change a setting, `key=value`; repeatable")
	}
	c.AddCommand(list, show, check)
	return c
}
