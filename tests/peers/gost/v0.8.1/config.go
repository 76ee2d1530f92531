package main

import "github.com/go-gost/x/config/parsing/parser"

// This version takes one configuration source.
func setConfig(args *parser.Args, source string) {
	args.CfgFile = source
}
