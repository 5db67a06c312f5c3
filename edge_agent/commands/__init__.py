"""One command of `edge-agent` a file, imported when it is called: `main(arguments) -> exit code`."""
