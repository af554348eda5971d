// Server and client of net/http: `nethttp serve PORT FOLDER` answers GET with a file of the folder, and PUT with the length and SHA-256 of what
// came; `nethttp transfer` reads requests `GET|PUT URL FILE` from its standard input, one a line, and answers `ok LENGTH SHA-256` or `error WHY`.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func digest(body io.Reader) (string, error) {
	sum := sha256.New()
	size, err := io.Copy(sum, body)
	return fmt.Sprintf("%d %x", size, sum.Sum(nil)), err
}

func serve(port, folder string) error {
	http.Handle("/", http.FileServer(http.Dir(folder)))
	http.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		if answer, err := digest(r.Body); err == nil {
			fmt.Fprint(w, answer)
		}
	})
	return http.ListenAndServe("0.0.0.0:"+port, nil)
}

func transfer(method, url, file string) (string, error) {
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		return "", err
	}
	if method == http.MethodPut {
		body, err := os.Open(file)
		if err != nil {
			return "", err
		}
		status, err := body.Stat()
		if err != nil {
			return "", err
		}
		request.Body, request.ContentLength = body, status.Size()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", answer.StatusCode)
	}
	if method == http.MethodPut {
		text, err := io.ReadAll(answer.Body)
		return strings.TrimSpace(string(text)), err
	}
	return digest(answer.Body)
}

func main() {
	if os.Args[1] == "serve" {
		fmt.Fprintln(os.Stderr, serve(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if answer, err := transfer(words[0], words[1], words[2]); err != nil {
			fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", answer)
		}
	}
}
