std = "lua54"
max_line_length = 132
exclude_files = { "build" }
files["spec/**/*_spec.lua"].std = "lua54+busted"
files["spec/**/*_cases.lua"].std = "lua54+busted"
files["spec/**/*.lua"].globals = { "os.exit" }
