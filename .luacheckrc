std = "lua54"
max_line_length = 132
exclude_files = { "build" }
files["spec/**/*_spec.lua"].std = "lua54+busted"
files["spec/**/*_cases.lua"].std = "lua54+busted"
files["spec/**/*.lua"].globals = { "os.exit" }
-- Annotations: a field's text stands on its line; functions of weft are declared, not set.
files["types/**/*.lua"].max_line_length = false
files["types/**/*.lua"].globals = { "weft" }
