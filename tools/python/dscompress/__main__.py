from dscompress import main

main()
