"""Turns the services of a compose file (as `docker-compose config` prints them) into shell functions:
service_NAME runs the service's command with its environment and user, health_NAME its health check."""

import shlex
import sys

import yaml


def words(value) -> list[str]:
    return shlex.split(value) if isinstance(value, str) else [str(word) for word in value or []]


def undollar(text: str) -> str:
    """`config` keeps $$, which an engine turns into $."""
    return text.replace("$$", "$")


def environment(service: dict) -> dict[str, str]:
    given = service.get("environment") or {}
    if isinstance(given, list):
        given = dict(entry.split("=", 1) for entry in given)
    return {name: undollar(str(value)) for name, value in given.items() if value is not None}


def user_of(service: dict, image_user: str) -> str:
    user = str(service.get("user", image_user if "build" in service else "root"))
    return "root" if user == "0" else user


def line(service: dict, user: str, command: list[str]) -> str:
    start = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    variables = [f"{name}={value}" for name, value in environment(service).items()]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return shlex.join([*start, "env", "-i", path, *variables, *map(undollar, command)])


def health_command(service: dict) -> list[str]:
    test = words((service.get("healthcheck") or {}).get("test"))
    if test[:1] == ["CMD"]:
        return test[1:]
    if test[:1] == ["CMD-SHELL"]:
        return ["/bin/sh", "-c", test[1]]
    return ["true"]


def volume_targets(service: dict) -> list[str]:
    return [entry["target"] if isinstance(entry, dict) else entry.split(":")[1]
            for entry in service.get("volumes") or []]


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        services = yaml.safe_load(file)["services"]
    image_user = sys.argv[2]
    for name, service in services.items():
        command = words(service.get("entrypoint")) + words(service.get("command"))
        assert command, f"the service {name} has no command"
        user = user_of(service, image_user)
        print(f"service_{name}() {{ exec {line(service, user, command)}; }}")
        print(f"health_{name}() {{ {line(service, user, health_command(service))}; }}")
    targets = {target for service in services.values() for target in volume_targets(service)}
    print(f"volumes={shlex.quote(' '.join(sorted(targets)))}")
    print(f"services={shlex.quote(' '.join(services))}")


main()
