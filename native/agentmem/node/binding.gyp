{
  # npm's own build. The sources lie in vendor/ in a package, one folder up in the repository.
  "variables": { "root%": "<!(node -p \"require('fs').existsSync('vendor') ? 'vendor' : '..'\")" },
  "target_defaults": {
    "cflags": ["-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden", "-fPIC"],
    "defines": ["_GNU_SOURCE"],
    "include_dirs": ["<(root)/lib", "<(root)/include"]
  },
  "targets": [
    {
      "target_name": "blake3_avx2", "type": "static_library",
      "sources": ["<(root)/lib/blake3_avx2.c"], "cflags": ["-mavx2"]
    },
    {
      "target_name": "blake3_avx512", "type": "static_library",
      "sources": ["<(root)/lib/blake3_avx512.c"], "cflags": ["-mavx512f", "-mavx512vl", "-mavx512bw"]
    },
    {
      "target_name": "agentmem",
      "sources": [
        "src/addon.c", "src/outside.c", "<(root)/lib/blake3.c", "<(root)/lib/blake3_path.c",
        "<(root)/lib/blake3_plain.c",
        "<!@(node -p \"const r = require('fs').existsSync('vendor') ? 'vendor' : '..'; require('fs').readdirSync(r + '/lib').filter(n => /^client.*\\.c$/.test(n)).map(n => r + '/lib/' + n).join(' ')\")"
      ],
      "dependencies": ["blake3_avx2", "blake3_avx512"]
    }
  ]
}
