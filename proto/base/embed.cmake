# Run as `cmake -DIN=file -DOUT=file.c -DSYMBOL=name -P embed.cmake`: writes the file's octets as a C array
# `const unsigned char SYMBOL[]` with a NUL behind it and `const unsigned long SYMBOL_len`.
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR len "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
string(REGEX REPLACE "(................................................................................)"
  "\\1\n" hex "${hex}")
file(WRITE ${OUT} "extern const unsigned char ${SYMBOL}[];\nextern const unsigned long ${SYMBOL}_len;\n"
  "const unsigned char ${SYMBOL}[] = {\n${hex}0x00};\nconst unsigned long ${SYMBOL}_len = ${len};\n")
