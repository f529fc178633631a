Q(utf-8)
Q(<stdout>)
Q(<stderr>)
