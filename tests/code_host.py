"""What stands in on the path for ``gh``, ``curl`` and ``pip`` while a pipeline's steps are run.

A code host as far as our pipelines notice it: comments, issues, labels and the newest commit, kept
in one JSON file. Whatever it is asked that it does not know, or that a token may not do, it refuses
as a failing program. It imports nothing but the standard library: it starts many times.

Called as ``python code_host.py PROGRAM ARGUMENTS…`` with ``CODE_HOST`` naming the file.
"""

import json
import os
import re
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
BOT_ID = 41
"""Of the user whose token it is, at GitLab."""
FIRST = re.compile(
    r'\.\[\] \| select\(\.user\.login == "(?P<login>[^"]+)"\)'
    r' \| select\(\.body \| startswith\("(?P<head>[^"]+)"\)\) \| \.id'
)
"""The one filter over comments that is known."""


def refuse(why: str) -> NoReturn:
    """End as a program does that was asked something it will not do."""
    sys.stderr.write(f"code host: {why}\n")
    sys.exit(1)


def say(text: object) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def read() -> dict[str, Any]:
    """Return what the host holds."""
    held: dict[str, Any] = json.loads(Path(os.environ["CODE_HOST"]).read_text(encoding="utf-8"))
    return held


def write(held: dict[str, Any]) -> None:
    """Keep what the host holds."""
    Path(os.environ["CODE_HOST"]).write_text(json.dumps(held, indent=1), encoding="utf-8")


def new(held: dict[str, Any], **what: Any) -> dict[str, Any]:
    """Return something with a number of its own."""
    held["last"] += 1
    return {"id": held["last"], **what}


# ---------------------------------------------------------------- GitHub


def gh(args: Sequence[str]) -> None:
    """Do what GitHub's command line does, as far as it is known here."""
    words = [*args]
    match words[:2]:
        case ["api", *_]:
            gh_api(words[1:])
        case ["issue", verb] if verb in ISSUE:
            ISSUE[verb](words[2:])
        case ["label", "create"]:
            may("issues", "write")
            held = read()
            held["labels"] = sorted({*held["labels"], words[2]})
            write(held)
        case _:
            refuse(f"gh {' '.join(words)}")


def may(what: str, how: str) -> None:
    """See to it that the token allows this; it says itself what it is good for."""
    allowed = dict(part.split(":") for part in os.environ.get("GH_TOKEN", "").split(",") if part)
    if allowed.get(what) not in {how, "write"}:
        refuse(f"the token may not {how} {what}: {allowed}")


def gh_api(args: Sequence[str]) -> None:
    """Answer a request to the API."""
    parser = ArgumentParser(allow_abbrev=False)
    parser.add_argument("path")
    parser.add_argument("--jq", default="")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--field", default="")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    asked = parser.parse_args(args)
    held = read()
    match asked.method, asked.path.split("/"):
        case "GET", ["repos", _, _, "commits", branch] if asked.jq == ".sha":
            may("contents", "read")
            say(head(held, branch))
        case "GET", ["repos", _, _, "environments", name] if asked.jq == ".protection_rules[].type":
            may("actions", "read")
            for rule in held["environments"].get(name) or refuse("404"):
                say(rule)
        case "GET", ["repos", _, _, "issues", number, "comments"]:
            may("pull-requests", "read")
            list_comments(held, number, asked.jq)
        case "POST", ["repos", _, _, "issues", number, "comments"]:
            may("pull-requests", "write")
            user = {"login": BOT}
            held["comments"].append(new(held, number=number, user=user, body=field(asked)))
        case "PATCH", ["repos", _, _, "issues", "comments", id_]:
            may("pull-requests", "write")
            (one,) = [each for each in held["comments"] if each["id"] == int(id_)]
            one["body"] = field(asked)
        case _:
            refuse(f"{asked.method} {asked.path} {asked.jq}")
    write(held)


def head(held: dict[str, Any], branch: str) -> str:
    """Return the newest commit of a branch."""
    command = ["git", "-C", held["origin"], "rev-parse", branch]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - git


def list_comments(held: dict[str, Any], number: str, jq: str) -> None:
    """Print the ids of comments that are of one user and begin with a marker."""
    wanted = FIRST.fullmatch(jq) or refuse(f"jq {jq}")
    for each in held["comments"]:
        same = each["number"] == number and each["user"]["login"] == wanted["login"]
        if same and each["body"].startswith(wanted["head"]):
            say(each["id"])


def field(asked: Namespace) -> str:
    """Return the body that is to be read from a file."""
    name, _, path = asked.field.partition("=@")
    return Path(path).read_text(encoding="utf-8") if name == "body" else refuse(asked.field)


def options(args: Sequence[str], *names: str) -> dict[str, str]:
    """Return options, each of which is followed by its value, and nothing else."""
    pairs = dict(zip(args[::2], args[1::2], strict=True))
    return pairs if {*pairs} == {*names} else refuse(f"{' '.join(args)}; known: {' '.join(names)}")


def list_issues(args: Sequence[str]) -> None:
    """Print the numbers of the open issues with a label."""
    may("issues", "read")
    told = options(args, "--label", "--state", "--limit", "--json", "--jq")
    known = ("open", "number", ".[].number")
    if known != (told["--state"], told["--json"], told["--jq"]):
        refuse(f"issue list {told}")
    found = [one for one in read()["issues"] if one["open"] and told["--label"] in one["labels"]]
    for each in found[: int(told["--limit"])]:
        say(each["id"])


def create_issue(args: Sequence[str]) -> None:
    """Open an issue, with a label that there is."""
    may("issues", "write")
    told, held = options(args, "--title", "--label", "--body-file"), read()
    if told["--label"] not in held["labels"]:
        refuse(f"there is no label {told['--label']}")
    body = Path(told["--body-file"]).read_text(encoding="utf-8")
    made = new(held, title=told["--title"], labels=[told["--label"]], body=body, open=True, said=[])
    held["issues"].append(made)
    write(held)


def edit_issue(args: Sequence[str]) -> None:
    """Write an issue anew."""
    may("issues", "write")
    held = read()
    body = Path(options(args[1:], "--body-file")["--body-file"]).read_text(encoding="utf-8")
    issue(held, args[0])["body"] = body
    write(held)


def close_issue(args: Sequence[str]) -> None:
    """Close an issue and say why."""
    may("issues", "write")
    held = read()
    one = issue(held, args[0])
    one["said"].append(options(args[1:], "--comment")["--comment"])
    one["open"] = False
    write(held)


def issue(held: dict[str, Any], number: str) -> dict[str, Any]:
    """Return the open issue of this number."""
    (one,) = [each for each in held["issues"] if each["id"] == int(number) and each["open"]]
    found: dict[str, Any] = one
    return found


ISSUE = {
    "list": list_issues,
    "create": create_issue,
    "edit": edit_issue,
    "close": close_issue,
}


# ---------------------------------------------------------------- GitLab


def curl(args: Sequence[str]) -> None:
    """Answer a request to GitLab's API: notes of merge requests, and issues."""
    parser = ArgumentParser(allow_abbrev=False)
    parser.add_argument("url")
    for flag in ("--fail", "--silent", "--show-error"):
        parser.add_argument(flag, action="store_true", required=True)
    parser.add_argument("--header", required=True)
    parser.add_argument("--request", default="GET")
    parser.add_argument("--output")
    parser.add_argument("--data-urlencode", action="append", default=[])
    asked = parser.parse_args(args)
    url = urlsplit(asked.url)
    if asked.header != "PRIVATE-TOKEN: a token":
        refuse("401")
    held = read()
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    data = dict(map(posted, asked.data_urlencode))
    path = url.path.split("/")[3:]
    user = {"id": BOT_ID}
    made = user if path == ["user"] else gitlab(held, asked.request, path[1:], query, data)
    say(json.dumps(made, separators=(",", ":")))
    write(held)


def noted(comment: dict[str, Any]) -> dict[str, Any]:
    """Return a comment as GitLab tells it."""
    author = BOT_ID if comment["user"]["login"] == BOT else BOT_ID + 1
    return {"id": comment["id"], "body": comment["body"], "author": {"id": author}}


def posted(text: str) -> tuple[str, str]:
    """Return a name and a value, which may stand in a file."""
    name, sign, value = re.split("([@=])", text, maxsplit=1)
    return name, Path(value).read_text(encoding="utf-8") if sign == "@" else value


def gitlab(
    held: dict[str, Any],
    method: str,
    path: Sequence[str],
    query: dict[str, str],
    data: dict[str, str],
) -> Any:
    """Return what is answered; ``path`` begins behind ``/api/v4/projects``."""
    match method, [*path]:
        case "GET", [_, "merge_requests", number, "notes"]:
            found = [noted(each) for each in held["comments"] if each["number"] == number]
            first = (int(query["page"]) - 1) * int(query["per_page"])
            return found[first : first + int(query["per_page"])]
        case "POST", [_, "merge_requests", number, "notes"]:
            user = {"login": BOT}
            held["comments"].append(new(held, number=number, user=user, body=data["body"]))
        case "PUT", [_, "merge_requests", _, "notes", id_]:
            (one,) = [each for each in held["comments"] if each["id"] == int(id_)]
            one["body"] = data["body"]
        case "GET", [_, "issues"] if query["state"] == "opened":
            found = [one for one in held["issues"] if one["open"]]
            return [one | {"iid": one["id"]} for one in found if query["labels"] in one["labels"]]
        case "POST", [_, "issues"]:
            made = new(held, title=data["title"], labels=[data["labels"]], open=True)
            held["issues"].append(made | {"body": data["description"], "said": []})
        case "PUT", [_, "issues", id_]:
            one = issue(held, id_)
            one["body"] = data.get("description", one["body"])
            one["open"] = data.get("state_event") != "close"
        case _:
            refuse(f"{method} {'/'.join(path)}")
    return {}


# ---------------------------------------------------------------- pip


def pip(args: Sequence[str]) -> None:
    """Note what is asked for: the program is there already."""
    held = read()
    held["installed"].append([*args])
    write(held)


if __name__ == "__main__":
    {"gh": gh, "curl": curl, "pip": pip}[sys.argv[1]](sys.argv[2:])
