package main

import "github.com/go-gost/x/config/parsing/parser"

// This version merges several configuration sources.
func setConfig(args *parser.Args, source string) {
	args.CfgFiles = append(args.CfgFiles, source)
}
