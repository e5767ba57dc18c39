"""Writes inst/AUTHORS: who wrote the crates in the compiled code, and under which licence.

python3 tools/authors.py, in the package's folder; reads what `cargo metadata` says of src/rust.
"""
import json
import subprocess

said = subprocess.run(
    ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", "src/rust/Cargo.toml"],
    check=True, capture_output=True, text=True)
lines = ["The compiled code of this package holds these Rust crates (name version: licence; authors).", ""]
for crate in sorted(json.loads(said.stdout)["packages"], key=lambda crate: crate["name"]):
    if not crate["source"]:
        continue
    authors = ", ".join(author.split(" <")[0] for author in crate["authors"]) or "see " + (crate["repository"] or "crates.io")
    lines.append(f"{crate['name']} {crate['version']}: {crate['license'] or 'see its files'}; {authors}")
with open("inst/AUTHORS", "w", encoding="utf-8") as out:
    out.write("\n".join(lines) + "\n")
