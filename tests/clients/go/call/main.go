// The backend's half: it tells calltrace about the call, before or after the traces.
//
//	. var/env                          # from ./calltrace up
//	go run ./call my-call-1
//
// Go trusts the local certificate through SSL_CERT_FILE.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run ./call EXTERNAL_ID")
	}
	body, err := json.Marshal(map[string]string{
		"externalId":    os.Args[1], // equals roark.external_id on the traces
		"startedAt":     time.Now().UTC().Format(time.RFC3339Nano),
		"interfaceType": "PHONE",
		"callDirection": "INBOUND",
	})
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("POST", os.Getenv("CALLTRACE_URL")+"/v1/call", bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("CALLTRACE_API_KEY"))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()

	var answer struct {
		Data          struct{ ID string }
		Code, Message string
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		log.Fatalf("%d %s: %s", response.StatusCode, answer.Code, answer.Message)
	}
	fmt.Printf("{\"callId\": %q}\n", answer.Data.ID)
}
