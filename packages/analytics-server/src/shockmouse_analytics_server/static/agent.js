(()=>{"use strict"
const W=document.currentScript||document.querySelector("script[data-key]")
const an=window.shockmouse
if(!W||an?.version)return
const ao=an?.q||[]
const ap="0.1.0"
const p=W.dataset
const r=a=>p.autotrack?.split(/\s+/).includes(a)??a!=="hash"
const aq=navigator.globalPrivacyControl||navigator.doNotTrack==="1"
const X=aq?"strict":p.privacy||"balanced"
const Y=+p.sampleRate
const Z=Y>0&&Y<1?Y:1
const H=new URL(p.events||"v1/events",new URL(p.endpoint?.replace(/\/?$/,"/")||W.src,location))
H.searchParams.set("key",p.key)
const _=60_000
const $=60_000
const aX=256_000
const ar="Shockmouse-Session"
const as=()=>{}
const k=b=>(...c)=>{try{const a=b(...c)
a?.catch?.(as)
return a}catch{}}
const l=(a,I,b)=>I.split(" ").forEach(c=>a.addEventListener(c,k(b),true))
const w=(a,b)=>(""+a).slice(0,b).replace(/[\ud800-\udbff]$/,"")
let at=0
const C=()=>{const a=(at=Math.max(at+1,Date.now())).toString(16).padStart(12,"0")
const b=[...crypto.getRandomValues(new Uint8Array(18))]
const c=()=>(b.pop()&15).toString(16)
return a.slice(0,8)+"-"+a.slice(8)+"-7xxx-axxx-xxxxxxxxxxxx".replace(/x/g,c)}
const J="shockmouse."
const K=k((a,b=localStorage)=>b.getItem(J+a))
const x=k((a,b,c=localStorage)=>c.setItem(J+a,b))
const aa=k((a,b=localStorage)=>b.removeItem(J+a))
const I=L=>Object.keys(localStorage).filter(a=>a.startsWith(J+L))
let D=p.consent==="given"&&"yes"
const ab=()=>(aq&&p.gpc==="drop"?"no":K("consent")||D)
const ac=()=>K("device")||(x("device",C()),K("device"))
const y=()=>(ab()==="yes"&&X!=="strict"&&ac()?X:"strict")
let o
const aY=a=>{o=k(JSON.parse)(K("session",sessionStorage))||o
if(!o||a-o.last>30*_||a-o.started>1440*_)
o={id:C(),started:a}
o.last=a
x("session",JSON.stringify(o),sessionStorage)
return o}
const M=a=>new TextEncoder().encode(a)
const ad=b=>{let a=0x811c9dc5
for(const c of M(b))a=Math.imul(a^c,0x01000193)
a=Math.imul(a^(a>>>16),0x85ebca6b)
a=Math.imul(a^(a>>>13),0xc2b2ae35)
return(a^(a>>>16))>>>0}
const{userAgentData:ae,language:au}=navigator
const N=a=>(y()==="full"?a:Math.round(a/100)*100)
let O
const aZ=b=>{const a={platform:ae?.platform||navigator.platform,touch:navigator.maxTouchPoints>0,mobile:ae?.mobile,viewport:N(innerWidth)+"x"+N(innerHeight),pixel_ratio:devicePixelRatio,dark:matchMedia("(prefers-color-scheme:dark)").matches,}
if(b!=="strict")
Object.assign(a,{cores:navigator.hardwareConcurrency,memory:navigator.deviceMemory,color_depth:screen.colorDepth,gamut:["rec2020","p3","srgb"].find(e=>matchMedia("(color-gamut:"+e+")").matches),hdr:matchMedia("(dynamic-range:high)").matches})
if(b==="full"){const{languages:f,vendor:g}=navigator
Object.assign(a,{languages:f.join(),vendor:g,math:Math.tan(-1e300)},O)
if(!O){O={}
ae?.getHighEntropyValues(["architecture","model","platformVersion","uaFullVersion"]).then(c=>{delete c.brands
O=c
af=0},as)}}
const d=p.key+JSON.stringify(a)
return{hash:ad(d).toString(16)+ad(d+1).toString(16),signals:a}}
let av
const a_=b=>{const a=navigator.webdriver||undefined
if(b==="strict")return{webdriver:a,locale:au.split("-")[0]}
av??=Intl.DateTimeFormat().resolvedOptions().timeZone
return{webdriver:a,locale:au,timezone:av,screen:{width:N(screen.width),height:N(screen.height)}}}
const a$=C()
let ba=0
let s=[]
let ag,aw,m,af
const n=(g,c,h,i)=>{if(ab()==="no")return
const d=Date.now()
const a=y()
const b=a!=="strict"&&aY(d)
const e=b?ac():undefined
if(b&&Z<1&&ad(e)>=Z*2**32)return
const f={event_id:C(),type:g,name:c&&w(c,255),timestamp:new Date(d),properties:h,user_id:aw,device_id:e,session_id:b.id,session_started_at:b?new Date(b.started):undefined,privacy:a,sample_rate:Z,boot_id:a$,seq:ba++,context:{page:m},...i,}
if(af!==a)f.fingerprint=aZ((af=a))
s.push([JSON.stringify(f),JSON.stringify(a_(a))])
ag??=setTimeout(k(ax),1000)}
const E=new Map()
const ay=g=>{ag=clearTimeout(ag)
if(!s.length)return
const b=C()
const[[h,c]]=s
const i=JSON.stringify({batch_id:b,library:{name:"shockmouse-agent",version:ap}}).slice(0,-1)
const d=i+',"context":'+c+',"events":['
let a=1
for(let e=M(d+h).length;s[a]?.[1]===c;a++){e+=M(s[a][0]).length+1
if(e>g)break}
const f=s.splice(0,a)
return[b,d+f.map(([j])=>j)+"]}",f]}
const az=a=>'{"sent_at":"'+new Date().toJSON()+'",'+a.slice(1)
const aA=a=>{E.delete(a)
aa("batch."+a)}
const aB=()=>{if(y()!=="strict")for(const a of I("batch."))E.set(a.slice(17),localStorage[a])
return[...E].sort()}
const ah=k((a,b)=>{E.set(a,b)
if(y()!=="strict")x("batch."+a,b)
let c=0
for(const[a,b]of aB().reverse()){if((c+=b.length)>aX)aA(a)}})
let P=0
let aC
const ai=async(c,a)=>{let b,d
try{const e=await fetch(H,{method:"POST",body:az(a),keepalive:M(a).length<=$,signal:AbortSignal.timeout?.(30_000)})
b=e.status
d=e.headers.get("retry-after")*1000}catch{}
if(b&&!/40[1348]|429|5../.test(b)){P=0
aA(c)
return true}
ah(c,a)
clearTimeout(aC)
aC=setTimeout(Q,Math.min((d||0)+Math.random()*500*2**++P,5*_))}
const aD=async()=>{for(const[a,b]of aB())if(ab()==="no"||!(await ai(a,b)))return}
const Q=k(()=>(navigator.locks?navigator.locks.request("shockmouse",aD):aD()))
const ax=async()=>{for(let a;(a=ay($));)P?ah(...a):await ai(...a)}
const bb=a=>{const b=k(()=>window.fetchLater(H,{method:"POST",body:a,activateAfter:0}))()
return b||k(()=>navigator.sendBeacon(H,a))()}
const aE=()=>{const a=navigator.onLine&&(!P||y()==="strict")
for(let c=$;s.length;){const[d,b,e]=ay(c)
if(a&&bb(az(b)))continue
if(a&&(c/=2)>500)s=e.concat(s)
else{ah(d,b)
if(a)ai(d,b)}}}
const aF=c=>{const{origin:d,pathname:a,search:e}=location
const b=r("hash")?location.hash:""
const f=b?a.replace(/\/$/,"")+b.replace(/^#\/?/,"/"):a
return{url:d+a+e+b,path:f,title:document.title,referrer:m&&!c?m.url:document.referrer}}
const aj=a=>{const b=aF(a)
if(m&&!a&&m.path===b.path)return
if(m)aG()
for(const c of t.keys())if(!c.isConnected)ak(c,"abandon")
m=b
R=0
aH()
if(r("pages"))n("page",m.title)}
const aI=()=>setTimeout(k(aj))
const aJ=a=>{const b=history[a]
history[a]=function(...c){const d=b.apply(this,c)
aI()
return d}}
let R=0
let S=0
let z=0
const aH=()=>{const a=Math.round(((scrollY+innerHeight)/document.documentElement.scrollHeight)*100)
R=Math.min(Math.max(R,a),100)}
const F=()=>{const a=performance.now()
if(z)S+=a-z
z=document.visibilityState==="visible"&&document.hasFocus()?a:0}
const aG=()=>{F()
if(S<100)return
if(r("scroll"))
n("performance","engagement",{scroll_percent:R,engaged_ms:Math.round(S)})
S=0}
const bc="a,button,summary,[role=button],[role=link],[role=tab],[role^=menuitem],[data-shockmouse-name],select,input"
const bd=/\.(pdf|zip|t?gz|7z|rar|dmg|exe|msi|deb|apk|iso|csv|(xls|doc|ppt)x?|mp[34]|epub)$/i
const aK=a=>a.composedPath().filter(b=>b.nodeType===1)
const aL=a=>a.some(b=>b.hasAttribute("data-shockmouse-ignore"))
const be=a=>{const b={tag:a.localName}
for(const{name:c,value:f}of a.attributes){const d={id:"id",class:"classes","aria-label":"label"}[c]||(c.startsWith("data-shockmouse-")&&c.slice(16))
if(d)b[d]=w(f,200)}
const e=":read-write,textarea,select"
const g="a,button,summary,[role=button],[role=link]"
if(a.matches(g)&&!a.matches(e)&&!a.querySelector(e))
b.text=w(a.textContent.replace(/\s+/g," ").trim(),80)
return b}
let al=[]
const bf=f=>{const c=aK(f)
if(!c[0]||aL(c))return
const g=c.find(d=>d.matches(bc))
const b=c.find(d=>d.matches("a[href]"))
const a=be(g||c[0])
if(/^https?:$/.test(b?.protocol)){a.href=b.origin+b.pathname
if(r("outbound")&&b.host!==location.host)a.outbound=true
if(r("downloads")&&(b.hasAttribute("download")||bd.test(b.pathname)))a.download=true}
const{timeStamp:h,clientX:i,clientY:j,detail:bm}=f
al=al.filter(e=>h-e.at<1000&&Math.hypot(i-e.x,j-e.y)<=30)
if(bm&&al.push({at:h,x:i,y:j})===3)a.rage=true
if(r("clicks")?g||a.rage:a.outbound||a.download)
n("click",a.name||a.label||a.text||a.id||a.tag,a)}
const t=new Map()
const bg=/pass|^hidden|card|cc-|cvc|cvv|iban|ssn|secret|token|pin$/i
const bh=e=>{const c=aK(e)
const{form:a,name:f,id:g,type:h,autocomplete:i}=c[0]
if(!a||aL(c))return
if(!t.has(a))t.set(a,{since:performance.now(),fields:[]})
const{fields:d}=t.get(a)
const b=w(f||g,80)
const j=h+i+b
if(b&&!bg.test(j)&&!d.includes(b))d.push(b)}
const ak=(a,d)=>{const{since:z=0,fields:e=[]}=t.get(a)||{}
t.delete(a)
if(a.closest("[data-shockmouse-ignore]"))return
const b=a.getAttribute("name")||a.getAttribute("id")||undefined
const c=new URL(a.getAttribute("action")||"",location).pathname
n("form",b||c,{form:b,action:c,fields:e,outcome:d,duration_ms:z&&Math.round(performance.now()-z)})}
const aM=[]
const A=k((a,d,e)=>{if(!PerformanceObserver.supportedEntryTypes.includes(a))return
const b=k(f=>f.forEach(d))
const c=new PerformanceObserver(g=>b(g.getEntries()))
c.observe({type:a,buffered:true,...e})
aM.push(()=>b(c.takeRecords()))})
const aN=()=>performance.getEntriesByType("navigation")[0]
let u,T,G,aO,v,B,am,U,V,aP
const aQ=a=>{const b=(u={TTFB:a?0:undefined,CLS:0})
G=a
T=a||aN()?.activationStart||0
aO=a||document.hidden
v={sum:0}
B=new Map()
am=performance.interactionCount||0
U=V=0
aP=m
if(a)
requestAnimationFrame(()=>requestAnimationFrame(()=>(b.FCP=b.LCP=performance.now()-T)))}
const aR=a=>({startTime:b})=>{if(!aO)u[a]=Math.max(b-T,0)}
const bi=()=>{aQ(0)
A("paint",e=>e.name==="first-contentful-paint"&&aR("FCP")(e))
A("largest-contentful-paint",aR("LCP"))
A("layout-shift",({startTime:a,value:g,hadRecentInput:h})=>{if(h||a<G)return
if(!(v.sum&&a-v.last<1000&&a-v.first<5000))
v={sum:0,first:a}
v.last=a
u.CLS=Math.max(u.CLS,(v.sum+=g))})
const f=({interactionId:c,startTime:a,duration:d})=>{if(!c||a<G)return
B.set(c,Math.max(B.get(c)||0,d))
const b=[...B].sort((i,j)=>j[1]-i[1])
if(b.length>10)B.delete(b.pop()[0])
const bm="interactionCount"in performance?performance.interactionCount-am:B.size
u.INP=b[Math.min(b.length-1,Math.floor(bm/50))][1]}
A("event",f,{durationThreshold:40})
A("first-input",f)
A("longtask",({duration:d})=>{U++
V=Math.max(V,d)})}
const bj=()=>{aM.forEach(d=>d())
const a=u
if(!a)return
u=undefined
if(!G)a.TTFB=Math.max(aN()?.responseStart-T,0)
if(!a.FCP)delete a.CLS
if(G&&performance.interactionCount>am)a.INP??=8
const c={context:{page:aP}}
for(const b in a)if(a[b]>=0)n("performance",b,{value:+a[b].toFixed(4)},c)
if(U)n("performance","longtask",{count:U,duration_ms:Math.round(V)},c)}
const aS=a=>new URL(a,document.baseURI).origin===location.origin&&y()!=="strict"&&o&&"01;s="+o.id+";d="+ac()
const bk=k((a,b)=>{const c=!b?.url&&aS(a.url||a)
if(!c)return
const d=new Headers(b?.headers||a.headers)
d.set(ar,c)
return{...b,headers:d}})
const bl=()=>{const{fetch:f,XMLHttpRequest:{prototype:a}}=window
window.fetch=(b,c)=>f(b,bk(b,c)||c)
const{open:g}=a
a.open=function(...d){g.apply(this,d)
k(()=>{const e=aS(d[1])
if(e)this.setRequestHeader(ar,e)})()}}
const aT={track:(a,b)=>n("track",a,b),page:(a,b)=>{m=aF()
n("page",a||m.title,b)},identify:(c,b)=>{aw=c?w(c,256):undefined
n("identify",undefined,undefined,{user_properties:b})},optIn:()=>{D="yes"
if(X!=="strict")x("consent",D)
n("consent","given",{analytics:true})},optOut:()=>{n("consent","withdrawn",{analytics:false})
aE()
D="no"
E.clear()
k(()=>I("").forEach(a=>localStorage.removeItem(a)))()
x("consent",D)
aa("session",sessionStorage)},flush:()=>ax().then(Q),}
const aU=(window.shockmouse={version:ap})
for(const a in aT)
aU[a]=k((...b)=>(m?aT[a](...b):ao.push([a,...b])))
const aV=()=>{const a={"#shockmouse-ignore":"no","#shockmouse-count":"yes"}[location.hash]
if(!a)return
if(a==="no")x("consent",a)
else aa("consent")
alert("Visits from this browser are counted: "+a)}
const L=()=>{aV()
if(p.join!==undefined)bl()
aj()
for(const[h,...i]of ao)aU[h]?.(...i)
F()
aJ("pushState")
aJ("replaceState")
l(window,"popstate hashchange",aI)
l(window,"hashchange",aV)
l(window,"focus blur",F)
l(window,"scroll",aH)
l(window,"online",()=>setTimeout(Q,Math.random()*1000))
l(document,"click",bf)
const b=()=>{bj()
aG()
aE()}
l(document,"visibilitychange",()=>{F()
if(document.hidden)b()})
l(window,"pagehide",()=>{for(const j of t.keys())ak(j,"abandon")
b()})
l(window,"pageshow",({persisted:bm,timeStamp:bn})=>{if(!bm)return
aj(true)
F()
if(r("vitals"))aQ(bn)})
if(r("vitals"))bi()
if(r("forms")){l(document,"input change",bh)
l(document,"submit",({target:bo})=>ak(bo,"submit"))}
if(r("errors")){const c=new Set()
const d=(a,e,f,bp)=>{const{size:g}=c
if(g<20&&c.add(a+e+f).size>g)
n("error",a,{message:w(a,500),file:e,line:f,column:bp})}
l(window,"error",({message:a,filename:bq,lineno:br,colno:bs})=>a&&d(a,bq?.split("?")[0],br,bs))
l(window,"unhandledrejection",({reason:bt})=>d(bt?.message||"unhandled rejection"))}
Q()}
const aW=()=>document.readyState==="loading"?l(document,"DOMContentLoaded",L):k(L)()
document.prerendering?l(document,"prerenderingchange",aW):aW()})()
