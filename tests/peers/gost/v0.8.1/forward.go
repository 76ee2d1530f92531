package main

// Resolves whole with this version of the module; later ones need a module that no proxy serves.
import _ "github.com/go-gost/x/handler/forward/local"
