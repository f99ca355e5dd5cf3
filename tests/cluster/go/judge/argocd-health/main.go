// Program argocd-health runs a health script on objects as Argo CD does: the object is the global
// `obj`, only the base, package and table libraries are there, and one second is all it gets. Argo CD
// also gives os.time and os.date, which a health of ours must not depend on.
//
//	argocd-health health.lua < objects.jsonl
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// What Argo CD takes as a status; it reads anything else as Unknown.
var known = map[string]bool{
	"Unknown": true, "Progressing": true, "Suspended": true, "Healthy": true, "Degraded": true, "Missing": true,
}

func main() {
	if err := judge(); err != nil {
		fmt.Fprintln(os.Stderr, "argocd-health:", err)
		os.Exit(1)
	}
}

func judge() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("give the path of the script")
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var object map[string]any
		if err := json.Unmarshal(lines.Bytes(), &object); err != nil {
			return err
		}
		health, err := run(string(script), object)
		if err != nil {
			return err
		}
		if err := out.Encode(health); err != nil {
			return err
		}
	}
	return lines.Err()
}

func run(script string, object map[string]any) (verdict, error) {
	vm := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer vm.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		call := lua.P{Fn: vm.NewFunction(open), NRet: 0, Protect: true}
		if err := vm.CallByParam(call, lua.LString(name)); err != nil {
			return verdict{}, err
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	vm.SetContext(limit)
	vm.SetGlobal("obj", value(vm, object))
	if err := vm.DoString(script); err != nil {
		return verdict{}, err
	}
	table, ok := vm.Get(-1).(*lua.LTable)
	if !ok {
		return verdict{}, fmt.Errorf("the script returned a %s, not a table", vm.Get(-1).Type())
	}
	status := lua.LVAsString(table.RawGetString("status"))
	if !known[status] {
		return verdict{"Unknown", fmt.Sprintf("the script returned the status %q", status)}, nil
	}
	return verdict{status, lua.LVAsString(table.RawGetString("message"))}, nil
}

func value(vm *lua.LState, json any) lua.LValue {
	switch json := json.(type) {
	case bool:
		return lua.LBool(json)
	case float64:
		return lua.LNumber(json)
	case string:
		return lua.LString(json)
	case []any:
		table := vm.NewTable()
		for _, item := range json {
			table.Append(value(vm, item))
		}
		return table
	case map[string]any:
		table := vm.NewTable()
		for key, item := range json {
			table.RawSetString(key, value(vm, item))
		}
		return table
	default:
		return lua.LNil
	}
}
