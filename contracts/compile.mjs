// Compiles `src/` with the pinned solc-js and keeps `artifacts/` in step with it.
//
//   node compile.mjs           writes artifacts/*.json
//   node compile.mjs --check   exits 1 when a committed artifact differs from the sources, is missing or is left over
//
// Needs `npm ci` once. Reads no network: imports come from `src/` and `node_modules/`.

import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";

const root = dirname(fileURLToPath(import.meta.url));
const artifacts = join(root, "artifacts");
const require = createRequire(import.meta.url);

/** The compiler, or exit 2 with the command that installs it. */
function compiler() {
  try {
    return require("solc");
  } catch {
    console.error("solc is not installed: run `npm ci` in contracts/ first");
    process.exit(2);
  }
}

/** Paths of all `.sol` files below `folder`, relative to the project, with `/`, sorted. */
function sources(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => relative(root, join(folder, name)).split(sep).join("/"))
    .filter((name) => name.endsWith(".sol"))
    .sort();
}

/** What solc asks for while it follows imports; the one remapping of remappings.txt. */
function findImport(path) {
  const file = path.startsWith("@") ? join(root, "node_modules", path) : join(root, path);
  return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: `not found: ${path}` };
}

/** The trimmed artifacts by file name; exits 1 on any error or warning of the compiler. */
function build() {
  const solc = compiler();
  const own = sources(join(root, "src"));
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(own.map((path) => [path, { content: readFileSync(join(root, path), "utf8") }])),
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true, runs: 200 },
      // No hash and no version behind the code: the same source gives the same bytes wherever it is compiled.
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const complaints = (output.errors ?? []).filter((entry) => entry.severity !== "info");
  if (complaints.length > 0) {
    for (const complaint of complaints) console.error(complaint.formattedMessage);
    process.exit(1);
  }
  const built = new Map();
  for (const path of own) {
    for (const [contractName, contract] of Object.entries(output.contracts[path] ?? {})) {
      if (contract.evm.bytecode.object === "") continue; // abstract contracts and interfaces
      const artifact = {
        contractName,
        abi: contract.abi,
        bytecode: `0x${contract.evm.bytecode.object}`,
        deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
      };
      built.set(`${contractName}.json`, `${JSON.stringify(artifact, null, 1)}\n`);
    }
  }
  return built;
}

/** Names of committed artifacts that the sources do not account for, with the reason. */
function differences(built) {
  const committed = existsSync(artifacts) ? readdirSync(artifacts) : [];
  const leftOver = committed.filter((name) => !built.has(name)).map((name) => `${name}: no source makes it`);
  const wrong = [...built]
    .filter(([name, text]) => !committed.includes(name) || readFileSync(join(artifacts, name), "utf8") !== text)
    .map(([name]) => `${name}: ${committed.includes(name) ? "differs from its source" : "is missing"}`);
  return [...leftOver, ...wrong];
}

const built = build();
if (process.argv.includes("--check")) {
  const found = differences(built);
  for (const line of found) console.error(line);
  console.log(found.length === 0 ? `${built.size} artifacts match their sources` : "run `node compile.mjs`");
  process.exit(found.length === 0 ? 0 : 1);
}
mkdirSync(artifacts, { recursive: true });
for (const name of readdirSync(artifacts)) if (!built.has(name)) rmSync(join(artifacts, name));
for (const [name, text] of built) writeFileSync(join(artifacts, name), text);
console.log(`wrote ${built.size} artifacts`);
