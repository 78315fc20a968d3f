module ottla/compat-tests/agent

go 1.19
